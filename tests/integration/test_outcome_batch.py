# SPDX-License-Identifier: Apache-2.0
"""Whoever reads the ledger reads the same, whether a task has a row of its own or is in a row of
its batch.
"""

import threading
import uuid
from collections import namedtuple

import psycopg
import pytest
from harness.paths import REPO
from harness.schema import schema_sql, whole

DAY = "2026-05-04"
NAMES = ["applied", "skipped", "failed", "quarantined", "unknown"]

Done = namedtuple(
    "Done",
    "type subject item outcome reason before after follow_ups offset sequence source",
    defaults=("", None, None, None, 0, 0, 1),
)


def ask(database, path, *parameters):
    """The rows of a statement of the programs."""
    with psycopg.RawCursor(database.db) as cursor:
        return cursor.execute(whole(REPO / path), parameters).fetchall()


def by_name(tasks):
    return sorted(tasks, key=lambda d: d[:3])


class Ledger:
    """A ledger that is filled by SQL; `done` is what it then has of the run."""

    def __init__(self, database):
        self.db = database
        database.execute(schema_sql())
        database.execute("select rollcall.ensure_day(%s)", (DAY,))
        database.execute(
            "insert into rollcall.task_type (name) values ('club.bump'), ('club.enrol'),"
            " ('club.welcome')"
        )
        database.execute(
            "insert into rollcall.position (cluster, topic, partition, sequence) select 'c',"
            " 'tasks', p, 1000 from generate_series(0, 2) p"
        )
        self.types = dict(database.rows("select type_no, name from rollcall.task_type"))
        self.done = []

    def run(self, by_task=False):
        return self.db.value(
            "insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,"
            " dry_run, state, by_task) values (%s, 'club', 'sweep', %s, %s, 'manual', 'eva', false,"
            " 'published', %s) returning run_no",
            (uuid.uuid4(), DAY, DAY, by_task),
        )

    def chunk(self, run, number, type_no, subjects, items=None, partition=0):
        self.db.execute(
            "insert into rollcall.plan (run_no, chunk, type_no, dry_run, subjects, items, lane,"
            " partition, partitions) values (%s, %s, %s, false, %s, %s, 'tasks', %s, 3)",
            (run, number, type_no, subjects, items, partition),
        )

    def batch(self, run, chunk, first, n, sequence, outcome, **lists):
        """As the worker writes it: a list of one value stands for all."""
        offsets, sequences = lists.pop("offsets", None), lists.pop("sequences", None)
        source = lists.pop("source", 1)
        last = sequence + (sequences[-1] if sequences else n - 1)
        columns = dict.fromkeys(("reason", "before", "after", "follow_ups")) | lists
        type_no, subjects, items = self.db.rows(
            "select type_no, subjects, items from rollcall.plan where run_no = %s and chunk = %s",
            (run, chunk),
        )[0]
        self.db.execute(
            "insert into rollcall.outcome_batch (day, run_no, chunk, first, n, type_no, source_no,"
            " dry_run, first_offset, offsets, first_sequence, last_sequence, sequences, outcome,"
            " reason, before, after, follow_ups) values (%s, %s, %s, %s, %s, %s, %s, false, %s, %s,"
            " %s, %s, %s, %s::smallint[], %s, %s, %s, %s)",
            (
                DAY,
                run,
                chunk,
                first,
                n,
                type_no,
                source,
                5 * sequence,
                offsets,
                sequence,
                last,
                sequences,
                outcome,
                *columns.values(),
            ),
        )

        def of(values, i):
            return None if values is None else values[0] if len(values) == 1 else values[i]

        for i in range(n):
            if of(outcome, i) is None:
                continue
            spawned = of(columns["follow_ups"], i)
            self.done.append(
                Done(
                    self.types[type_no],
                    subjects[first + i],
                    (items[first + i] if items else None) or "",
                    of(outcome, i),
                    of(columns["reason"], i) or "",
                    of(columns["before"], i),
                    of(columns["after"], i),
                    spawned.split(",") if spawned else None,
                    5 * sequence + (offsets[i] if offsets else i),
                    sequence + (sequences[i] if sequences else i),
                    source,
                )
            )

    def row(self, run, type_no, subject, outcome, sequence, item="", source=1, **more):
        columns = {"reason": "", "before": None, "after": None, "follow_ups": None} | more
        self.db.execute(
            "insert into rollcall.outcome (day, run_no, type_no, source_no, src_offset, sequence,"
            " outcome, subject, item, reason, before, after, follow_ups) values (%s, %s, %s, %s,"
            " %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                DAY,
                run,
                type_no,
                source,
                7 * (sequence or 900),
                sequence,
                outcome,
                subject,
                item,
                *columns.values(),
            ),
        )
        if outcome >= 0:
            self.done.append(
                Done(
                    self.types[type_no],
                    subject,
                    item,
                    outcome,
                    *columns.values(),
                    7 * sequence,
                    sequence,
                    source,
                )
            )

    def missing(self, run):
        return sorted(self.db.rows("select type, subject, item from rollcall.missing(%s)", (run,)))

    def all(self, run, relation="outcome_all"):
        return by_name(
            Done(*row)
            for row in self.db.rows(
                "select t.name, subject, item, outcome, reason, before, after, follow_ups,"
                f" src_offset, sequence, source_no from rollcall.{relation} join"
                " rollcall.task_type t using (type_no) where run_no = %s and day = %s and"
                " outcome >= 0",
                (run, DAY),
            )
        )

    def tasks(self, run, type_no, tasks):
        """What outcomes_of_tasks says of (subject, item)s."""
        found = self.db.rows(
            "select n, outcome, follow_ups from rollcall.outcomes_of_tasks(%s, %s, %s::smallint,"
            " %s, %s)",
            (run, DAY, type_no, [s for s, _ in tasks], [i for _, i in tasks]),
        )
        assert len({n for n, _, _ in found}) == len(found)
        return {tasks[n - 1]: (outcome, follow_ups) for n, outcome, follow_ups in found}


@pytest.fixture
def ledger(database):
    return Ledger(database)


@pytest.fixture
def run(ledger):
    """A run with each form of a row, beside tasks with rows of their own, and some that miss."""
    run = ledger.run()
    names = [f"s{n:03}" for n in range(60)]
    ledger.chunk(run, 0, 1, names[:20])
    ledger.chunk(run, 1, 1, names[20:40], partition=1)
    ledger.chunk(run, 2, 2, names[:20], ["" if n % 2 else f"item {n}" for n in range(20)])
    ledger.chunk(run, 3, 2, names[40:60], partition=2)
    # one value for all; sequences and offsets in a row
    ledger.batch(run, 0, 0, 8, 1, [0], before=["active"], after=["expired"])
    # lists, and nulls in them
    ledger.batch(
        run,
        0,
        8,
        4,
        9,
        [0, 1, 0, 2],
        reason=[None, "not due", None, "no address"],
        before=["a", None, "c", "d"],
        after=["A", None, None, "D"],
        follow_ups=["club.welcome,club.enrol", None, "club.welcome", None],
    )
    # holes: s013 has a row of its own, s014 one that is parked; offsets and sequences with gaps
    ledger.batch(
        run,
        0,
        12,
        5,
        20,
        [0, None, None, 1, 0],
        offsets=[0, 3, 3, 9, 10],
        sequences=[0, 1, 1, 2, 5],
        reason=["same"],
    )
    ledger.row(run, 1, "s013", 3, 21, reason="division by zero")
    ledger.row(run, 1, "s014", -2, None)
    # of one task; of all of a chunk; a follow-up for all
    ledger.batch(run, 1, 0, 1, 5, [1], reason=["not due"], source=2)
    ledger.batch(run, 1, 1, 19, 6, [0], source=2, follow_ups=["club.welcome"])
    # with items, one outcome and different reasons
    ledger.batch(run, 2, 2, 6, 30, [4], reason=[f"reason {n}" for n in range(6)])
    ledger.row(run, 2, "s000", 0, 40, item="item 0", before="x", after="y")
    # follow-ups have rows of their own
    ledger.row(run, 3, "s008", 0, 41)
    return run


def missing_of_run():
    return sorted(
        [("club.bump", f"s{n:03}", "") for n in (14, 17, 18, 19)]
        + [("club.enrol", "s001", "")]
        + [("club.enrol", f"s{n:03}", "" if n % 2 else f"item {n}") for n in range(8, 20)]
        + [("club.enrol", f"s{n:03}", "") for n in range(40, 60)]
    )


def test_each_task_is_read_as_if_it_had_a_row_of_its_own(ledger, run):
    expected = by_name(ledger.done)
    assert ledger.all(run) == expected
    batches = ledger.all(run, "outcome_of_batch")
    assert len(batches) == len(expected) - 3
    assert all(d in expected for d in batches)
    named = ledger.db.rows(
        "select type, subject, item, outcome, reason, before, after, actor, attempt, task_id"
        " from rollcall.outcome_named where run_no = %s and outcome not in ('waiting', 'pending')",
        (run,),
    )
    assert sorted(named, key=lambda row: row[:3]) == [
        (d.type, d.subject, d.item, NAMES[d.outcome], d.reason, d.before, d.after, "eva", 1, None)
        for d in expected
    ]


def test_who_is_missing_is_known_by_name(ledger, run):
    assert ledger.missing(run) == missing_of_run()


def test_a_run_without_any_outcome_misses_all(ledger):
    run = ledger.run()
    ledger.chunk(run, 0, 1, ["a", "b"])
    ledger.chunk(run, 1, 2, ["a"], ["x"], partition=None)
    assert ledger.missing(run) == [
        ("club.bump", "a", ""),
        ("club.bump", "b", ""),
        ("club.enrol", "a", "x"),
    ]


def test_what_the_ledger_has_of_tasks_is_found_by_key_and_by_place(ledger, run):
    for type_no, name in ((1, "club.bump"), (2, "club.enrol")):
        done = {
            (d.subject, d.item): (d.outcome, d.follow_ups) for d in ledger.done if d.type == name
        }
        planned = [
            task
            for subjects, items in ledger.db.rows(
                "select subjects, items from rollcall.plan where run_no = %s and type_no = %s",
                (run, type_no),
            )
            for task in zip(subjects, items or [""] * len(subjects))
        ]
        expected = dict(done)
        if name == "club.bump":
            expected["s014", ""] = (-2, None)
        assert ledger.tasks(run, type_no, planned) == expected
        assert ledger.tasks(run, type_no, [("s000", "nothing"), ("nobody", "")]) == {}


def test_the_history_of_a_subject_is_found_in_all_runs(ledger, run):
    other = ledger.run(by_task=True)
    ledger.row(other, 1, "s002", 2, 200, reason="no address")
    for subject in ("s000", "s002", "s008", "s013", "s038", "s050"):
        found = ledger.db.rows(
            "select type, item, outcome, reason, before, after from"
            " rollcall.outcomes_of_subject(%s) where outcome not in ('waiting', 'pending')",
            (subject,),
        )
        assert sorted(found, key=str) == sorted(
            (
                (d.type, d.item, NAMES[d.outcome], d.reason, d.before, d.after)
                for d in ledger.done
                if d.subject == subject
            ),
            key=str,
        )


def test_places_are_where_the_plan_has_the_tasks(ledger, run):
    found = ledger.db.rows(
        "select n, chunk, index, lane, partition from rollcall.places(%s, 1::smallint, %s, %s)",
        (run, ["s025", "nobody", "s003", "s003"], [None, None, None, "x"]),
    )
    assert sorted(found) == [(1, 1, 5, "tasks", 1), (3, 0, 3, "tasks", 0)]
    assert ledger.db.rows(
        "select n, chunk, index from rollcall.places(%s, 2::smallint, %s, %s)",
        (run, ["s002", "s002"], ["item 2", ""]),
    ) == [(1, 2, 2)]


def test_a_run_that_is_kept_by_task_reads_the_same(ledger, run):
    counts = "select outcome, count(*) from rollcall.outcome_all where run_no = %s group by 1"
    before, missing = ledger.all(run), ledger.missing(run)
    counted = sorted(ledger.db.rows(counts, (run,)))
    of_batches = len(ledger.all(run, "outcome_of_batch"))
    assert ledger.db.value("select rollcall.keep_by_task(%s)", (run,)) == of_batches
    assert ledger.db.value("select by_task from rollcall.run where run_no = %s", (run,))
    assert ledger.db.value("select count(*) from rollcall.outcome_batch") == 0
    assert ledger.all(run) == ledger.all(run, "outcome") == before
    assert ledger.missing(run) == missing
    assert sorted(ledger.db.rows(counts, (run,))) == counted
    assert ledger.db.value("select rollcall.keep_by_task(%s)", (run,)) == 0


def test_other_runs_are_not_kept_by_task(ledger, run):
    other = ledger.run()
    ledger.chunk(other, 0, 1, ["s001", "s002"])
    ledger.batch(other, 0, 0, 2, 300, [0])
    ledger.db.execute("select rollcall.keep_by_task(%s)", (run,))
    assert len(ledger.all(other, "outcome_of_batch")) == 2
    assert ledger.db.value("select rollcall.keep_by_task(%s)", (987654321,)) == 0


def test_batches_under_way_are_waited_for(ledger, run):
    """A transaction that has locked the run adds a batch while keep_by_task waits for it."""
    moved = []
    batch, keep = ledger.db.connect(), ledger.db.connect()

    def keep_by_task():
        moved.append(keep.execute("select rollcall.keep_by_task(%s)", (run,)).fetchone()[0])

    with batch, keep:
        batch.autocommit = False
        assert batch.execute("select rollcall.lock_runs(%s)", ([run],)).fetchall() == []
        thread = threading.Thread(target=keep_by_task)
        thread.start()
        while not ledger.db.value("select count(*) from pg_locks where not granted"):
            assert thread.is_alive()
        batch.execute(
            "insert into rollcall.outcome_batch (day, run_no, chunk, first, n, type_no, source_no,"
            " dry_run, first_offset, first_sequence, last_sequence, outcome) values (%s, %s, 3, 0,"
            " 10, 2, 3, false, 0, 1, 10, '{0}')",
            (DAY, run),
        )
        assert not moved
        batch.commit()
        thread.join()
        assert moved == [len(ledger.done) - 3 + 10]
        assert batch.execute("select rollcall.lock_runs(%s)", ([run],)).fetchall() == [(run,)]
        assert len(ledger.all(run, "outcome")) == len(ledger.done) + 10


def test_batches_do_not_wait_for_each_other_nor_for_the_scheduler(ledger, run):
    one, two = ledger.db.connect(), ledger.db.connect()
    with one, two:
        one.autocommit = two.autocommit = False
        one.execute("select rollcall.lock_runs(%s)", ([run],))
        two.execute("set local lock_timeout = '2 s'")
        two.execute("select rollcall.lock_runs(%s)", ([run],))
        two.execute("update rollcall.run set state = 'published' where run_no = %s", (run,))


def test_runs_show_counts_both_forms(ledger, run):
    expected = {}
    for d in ledger.done:
        key = (d.type, NAMES[d.outcome], d.reason)
        expected[key] = expected.get(key, 0) + 1
    expected["club.bump", "waiting", ""] = 1
    found = ask(ledger.db, "producer/cli/sql/run_reasons.sql", run, 100)
    assert {row[:3]: row[3] for row in found} == expected
    assert found == sorted(found, key=lambda row: (row[0], -row[3], row[1], row[2]))
    assert len(ask(ledger.db, "producer/cli/sql/run_reasons.sql", run, 3)) == 3


def test_runs_show_names_who_has_an_outcome(ledger, run):
    for outcome in ("applied", "skipped", "failed", "unknown", None):
        expected = [
            (d.type, d.subject, d.item, NAMES[d.outcome], d.reason, d.before, d.after)
            for d in by_name(ledger.done)
            if (d.outcome >= 2 if outcome is None else NAMES[d.outcome] == outcome)
        ]
        for limit in (2, 100):
            found = ask(ledger.db, "producer/cli/sql/run_subjects.sql", run, limit, outcome)
            assert [row[:7] for row in found] == expected[:limit]


def test_runs_show_names_the_changes(ledger, run):
    expected = [
        (d.type, d.subject, d.item, d.before, d.after, d.reason)
        for d in by_name(ledger.done)
        if d.outcome == 0
    ]
    assert ask(ledger.db, "producer/cli/sql/run_changes.sql", run, 100) == expected
    assert ask(ledger.db, "producer/cli/sql/run_changes.sql", run, 3) == expected[:3]


def test_runs_show_compares_touched_rows_with_tasks(ledger, run):
    ledger.db.execute(
        "insert into rollcall.touched values (%s, 1, 'public.person', 0, 20, 0)", (run,)
    )
    applied = sum(1 for d in ledger.done if d.type == "club.bump" and d.outcome == 0)
    found = ask(ledger.db, "producer/cli/sql/run_touched.sql", run)
    assert found == [("club.bump", "public.person", 0, 20, 0, applied, 20 > applied)]


def test_failures_are_known_from_the_run_before(ledger):
    """Of either form, compared with either form."""
    ledger.db.execute("update rollcall.run set published_at = now(), closed_at = now()")
    runs = []
    for n, by_rows in enumerate((False, True, False, True)):
        run = ledger.run(by_task=by_rows)
        ledger.chunk(run, 0, 1, ["a", "b", "c"])
        if by_rows:
            ledger.row(run, 1, "a", 0, 10 * n + 1)
            ledger.row(run, 1, "b", 2, 10 * n + 2, reason="no address")
        else:
            ledger.batch(run, 0, 0, 3, 10 * n + 1, [0, 2, 1], reason=["", "no address", ""])
        ledger.db.execute(
            "update rollcall.run set published_at = now(), closed_at = clock_timestamp() where"
            " run_no = %s",
            (run,),
        )
        known = ask(ledger.db, "producer/scheduler/sql/failures_known.sql", run)
        assert known == [(bool(runs),)]
        runs.append(run)
    new = ledger.run()
    ledger.chunk(new, 0, 1, ["a", "b", "c"])
    ledger.batch(new, 0, 0, 3, 100, [2, 2, 2], reason=["no address"])
    assert ask(ledger.db, "producer/scheduler/sql/failures_known.sql", new) == [(False,)]


def published_again(ledger, source, after, limit, size=1 << 30):
    """(sequence, subject, outcome) of what a new owner publishes again."""
    found = ask(ledger.db, "worker/sql/recover_outcomes.sql", source, after, limit, size)
    return [(row[1], row[5], row[2]) for row in found]


def everything(source, ledger):
    return sorted((d.sequence, d.subject, d.outcome) for d in ledger.done if d.source == source)


def in_pieces(read, last):
    """All that `read(after)` returns, read again above what it returned."""
    found = []
    while piece := read(last(found)):
        assert piece == sorted(piece)
        found += piece
    return found


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_a_new_owner_publishes_in_order(ledger, run, limit):
    for source in (1, 2, 3):
        found = in_pieces(
            lambda after: published_again(ledger, source, after, limit),  # noqa: B023
            lambda found: found[-1][0] if found else 0,
        )
        assert found == everything(source, ledger)


def many_batches(ledger):
    """Of two runs, whose tasks come by turns: one has the even sequences, one the odd ones."""
    for n in range(2):
        run = ledger.run()
        ledger.chunk(run, 0, 1, [f"{n}-{i}" for i in range(300)])
        for i in range(0, 300, 10):
            ledger.batch(run, 0, i, 10, 2 * i + n + 1, [0], sequences=[2 * k for k in range(10)])
    ledger.row(ledger.run(by_task=True), 1, "between", 0, 601)
    ledger.row(ledger.run(by_task=True), 1, "at last", 1, 900)


@pytest.mark.parametrize("limit", [1, 64, 1000])
def test_many_batches_are_published_in_order(ledger, limit):
    many_batches(ledger)
    for after in (0, 333, 599, 600, 601):
        found = in_pieces(
            lambda last: published_again(ledger, 1, last, limit),
            lambda found: found[-1][0] if found else after,  # noqa: B023
        )
        assert found == [e for e in everything(1, ledger) if e[0] > after]


def test_what_earlier_positions_left_is_published_too(ledger, run):
    """The topic was re-created: the partition has a new position."""
    ledger.db.execute("update rollcall.position set cluster = 'c#' || source_no")
    ledger.db.execute(
        "insert into rollcall.position (cluster, topic, partition) values ('c', 'tasks', 0)"
    )
    assert published_again(ledger, 4, 3, 1000) == [e for e in everything(1, ledger) if e[0] > 3]


def aggregated(ledger, source, after, to):
    """What the aggregator reads of the ledger for totals that miss it."""
    found = ask(ledger.db, "aggregator/sql/backfill_outcomes.sql", f"{{{source}}}", after, to)
    return [(row[0], row[4], row[1]) for row in found]


def backfilled(ledger, after, to):
    """All of source 1 that the aggregator reads, in pieces."""
    return in_pieces(
        lambda last: aggregated(ledger, 1, last, to),
        lambda found: found[-1][0] if found else after,
    )


@pytest.mark.parametrize("to", [25, 10000])
def test_totals_are_backfilled_from_both_forms(ledger, run, to):
    for after in (0, 10):
        assert backfilled(ledger, after, to) == [
            e for e in everything(1, ledger) if after < e[0] <= to
        ]


def test_totals_are_backfilled_from_many_batches(ledger):
    many_batches(ledger)
    assert backfilled(ledger, 0, 601) == everything(1, ledger)[:-1]
    assert backfilled(ledger, 599, 2000) == everything(1, ledger)[-3:]


@pytest.mark.parametrize(
    "role, path, parameters",
    [
        ("aggregator", "aggregator/sql/backfill_outcomes.sql", ["{1}", 0, 1000]),
        ("worker", "worker/sql/recover_outcomes.sql", [1, 0, 1000, 1 << 30]),
        ("scheduler", "producer/scheduler/sql/failures_known.sql", [1]),
        ("reader", "producer/cli/sql/run_reasons.sql", [1, 100]),
        ("reader", "producer/cli/sql/run_subjects.sql", [1, 100, "applied"]),
        ("reader", "producer/cli/sql/run_missing.sql", [1, 100]),
    ],
)
def test_each_program_has_the_rights_for_what_it_reads(ledger, run, role, path, parameters):
    ledger.db.execute((REPO / "docker/roles/rollcall.sql").read_text())
    ledger.db.execute(f"set role rollcall_{role}")
    assert ask(ledger.db, path, *parameters)

# SPDX-License-Identifier: Apache-2.0
"""verify.py must find what it is there for: each kind of violation is planted in a copy of a
good result, and must be reported under its letter.
"""

import copy
import uuid
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest
import verify
from cluster import encode_task


@pytest.fixture(scope="module")
def good(request, tmp_path_factory, kafka, postgres):
    """What a run without faults leaves behind: people deleted and mailed, ad-hoc tasks, dead
    letters.
    """
    import random

    from cluster import Cluster
    from harness.postgres import Database

    database = Database(postgres, "verified")
    w = Cluster(
        tmp_path_factory.mktemp("verified"),
        kafka,
        postgres,
        database,
        random.Random(1),
        "verified",
        people=60,
    )
    try:
        w.database.execute("update person set leaving = true, approved = true where id > 50")
        w.begin(workers=1)
        w.ask()
        w.grants(20, people=50)
        w.settle()
        w.ask("purging")
        w.send([(b"k", b"junk")])
        w.send([(b"1", encode_task(uuid.uuid4(), "club.grant", "1", "same"))] * 2, "urgent")
        w.settle()
        # a type that is paused and resumed, runs that are held, released and cancelled, requests, a
        # batch that cannot be read
        w.database.execute("alter table person rename hits to gone")
        run = w.ask("bumping")
        w.wait(lambda: w.value("select count(*) from rollcall.paused_type") == 1, 30)
        w.database.execute("alter table person rename gone to hits")
        held = [w.ask("capped"), w.ask("capped")]
        w.wait(
            lambda: (
                w.value("select count(*) from rollcall.run where state = 'held for review'") == 2
            ),
            30,
        )
        w.cli("runs", "release", held[0], "--yes")
        w.cli("runs", "cancel", held[1], "--yes")
        assert w.requests(30, people=50) == 30
        assert w.bomb("gzip", messages=3)
        w.settle()
        w.stop_all()
        assert w.value("select state from rollcall.run where run_id = %s", (run,)) == "succeeded"
        yield verify.State(
            database.conninfo_tcp, kafka.bootstrap, w.prefix, w.folder / "mails", w.logs_folder
        )
    finally:
        w.close()
        database.close()


def violations(state, **options):
    report = verify.Verify(state, **options).run()
    return {v[0] for v in report.violations}, report


def test_a_good_result_is_good(good):
    letters, report = violations(good)
    assert not letters, report.text()
    n = report.numbers
    assert (
        n["planned"] == 60 * 5 + 10 + 3 * 50
        and n["adhoc"] == 21 + 30
        and n["deleted"] == 10
        and n["dead_letters"] == 2
    )
    assert n["mails"] == 60 and n["events"] == 331 + 30 + 2 * 50 and n["requested"] == 30
    assert (n["cancelled"], n["held_for_review"], n["released"], n["done_after_cancelling"]) == (
        1,
        2,
        1,
        0,
    )


def row(rows, **wanted):
    return next(i for i, r in enumerate(rows) if all(getattr(r, k) == v for k, v in wanted.items()))


def event(s, n=0):
    return [i for i, m in enumerate(s.messages) if m.topic == s.results][n]


def rewrite(s, index, of="outcome", **fields):
    """An event with other content, under the writer's schema."""
    m = s.messages[index]
    kind, record = verify.decode(verify.load_schemas(), m.value)
    mark, (_, schema) = next((k, v) for k, v in verify.load_schemas().items() if v[0] == of)
    record.update(fields)
    record = {k: v.bytes if isinstance(v, uuid.UUID) else v for k, v in record.items()}
    out = verify.io.BytesIO()
    out.write(mark)
    verify.fastavro.schemaless_writer(out, schema, record)
    s.messages[index] = m._replace(value=out.getvalue())


def replace(rows, index, **fields):
    rows[index] = rows[index]._replace(**fields)


def spoil(letter):
    def mark(function):
        SPOILS[function.__name__] = (letter, function)
        return function

    return mark


SPOILS = {}


@spoil("L")
def outcome_missing(s):
    del s.ledger[row(s.ledger, outcome=0)]


@spoil("L")
def two_outcomes_of_a_task(s):
    s.ledger.append(s.ledger[row(s.ledger, outcome=0)]._replace(sequence=10**6, src_offset=10**6))


@spoil("L")
def a_place_taken_twice(s):
    s.batches.append(s.batches[0])


@spoil("L")
def a_batch_beyond_its_chunk(s):
    replace(s.batches, 0, n=10**6, outcome=[0])


@spoil("L")
def a_batch_that_was_never_taken(s):
    i = next(
        i
        for i, p in enumerate(s.progress)
        if p.run_no == s.batches[0].run_no and p.source_no == s.batches[0].source_no
    )
    replace(s.progress, i, place=0)


@spoil("L")
def outcome_still_pending(s):
    replace(s.ledger, 0, outcome=-1)


@spoil("L")
def outcome_of_nobody(s):
    replace(s.ledger, row(s.ledger, outcome=0, run_no=1), subject="99999")


@spoil("L")
def a_planned_subject_gone(s):
    p = s.plan[0]
    replace(s.plan, 0, subjects=p.subjects[1:])


@spoil("L")
def digest_of_the_plan(s):
    replace(s.runs, 0, planned_digest_a=s.runs[0].planned_digest_a ^ 1)


@spoil("L")
def another_run_id(s):
    replace(s.runs, 0, run_id=uuid.uuid4())


@spoil("L")
def two_runs_of_a_slot(s):
    s.runs.append(s.runs[0]._replace(run_no=77))


@spoil("V")
def run_left_open(s):
    replace(s.runs, 0, state="published")


@spoil("L")
def planned_task_never_published(s):
    tasks = [m for m in s.messages if m.topic == f"{s.prefix}.tasks" and m.value != b"junk"]
    s.messages = [m for m in s.messages if m.value != tasks[0].value]


@spoil("L")
def adhoc_task_without_outcome(s):
    del s.ledger[next(i for i, r in enumerate(s.ledger) if r.task_id)]


@spoil("L")
def poison_without_dead_letter(s):
    s.dead.clear()


@spoil("L")
def dead_letter_not_on_its_topic(s):
    s.messages = [m for m in s.messages if m.topic != s.letters]


@spoil("V")
def lane_not_read_to_its_end(s):
    i = next(i for i, p in enumerate(s.positions) if p.next)
    replace(s.positions, i, next=s.positions[i].next - 1)


@spoil("V")
def not_known_to_be_published(s):
    i = next(i for i, p in enumerate(s.positions) if p.published and p.topic == f"{s.prefix}.tasks")
    replace(s.positions, i, published=0)


@spoil("E")
def effect_twice(s):
    s.trace.append(s.trace[5])


@spoil("E")
def effect_missing(s):
    del s.trace[5]


@spoil("E")
def effect_of_a_skipped_task(s):
    replace(s.ledger, row(s.ledger, outcome=0, run_no=1), outcome=1)


@spoil("E")
def mail_recorded_twice(s):
    s.sent.append(s.sent[0])


@spoil("A")
def event_missing(s):
    del s.messages[event(s, 3)]


@spoil("A")
def event_of_nobody(s):
    task = uuid.uuid4()
    rewrite(s, event(s), task_id=task, event_id=uuid.uuid5(task, "1\0applied"))


@spoil("A")
def event_with_a_wrong_id(s):
    rewrite(s, event(s), event_id=uuid.uuid4())


@spoil("A")
def event_repeated_with_other_content(s):
    i = event(s)
    s.messages.append(s.messages[i]._replace(offset=10**6))
    rewrite(s, len(s.messages) - 1, reason="otherwise")


@spoil("A")
def event_with_another_reason(s):
    rewrite(s, event(s), reason="otherwise")


@spoil("A")
def event_at_another_place(s):
    rewrite(s, event(s), source_offset=10**6)


@spoil("A")
def events_out_of_order(s):
    a, b = event(s, 0), event(s, 1)
    s.messages[a], s.messages[b] = s.messages[b], s.messages[a]


@spoil("A")
def sequence_given_twice(s):
    rows = [i for i, r in enumerate(s.ledger) if r.source_no == s.ledger[0].source_no]
    replace(s.ledger, rows[1], sequence=s.ledger[rows[0]].sequence)


@spoil("A")
def total_of_a_run(s):
    replace(s.totals, 0, applied=s.totals[0].applied + 1)


@spoil("A")
def total_of_a_run_missing(s):
    del s.totals[0]


@spoil("A")
def total_of_a_day(s):
    replace(s.days, 0, count=s.days[0].count - 1)


@spoil("L")
def progress_differs(s):
    replace(s.progress, 0, applied=s.progress[0].applied + 1)


@spoil("M")
def mail_twice(s):
    s.mails.append(s.mails[0])


@spoil("M")
def mail_missing(s):
    del s.mails[0]


@spoil("M")
def mail_of_no_task(s):
    s.mails.append((str(uuid.uuid4()), "000999.eml"))


@spoil("D")
def deleted_without_approval(s):
    replace(s.deleted, 0, approved=False)


@spoil("D")
def deleted_while_staying(s):
    replace(s.deleted, 0, leaving=False)


@spoil("F")
def written_without_the_fence(s):
    i = next(i for i, w in enumerate(s.ledger_log) if w.outcome == 0)
    replace(s.ledger_log, i, tx=str(10**9))


@spoil("F")
def written_by_another_than_the_owner(s):
    replace(s.ledger_log, 0, writer="rollcall-worker elsewhere/1 tasks#1")


@spoil("F")
def effect_of_a_stranger(s):
    replace(s.trace, 0, writer="rollcall-worker elsewhere/1 tasks#1")


@spoil("F")
def an_older_epoch_writes(s):
    last = [f for f in s.fences if f.source_no == s.fences[0].source_no][-1]
    s.fences.append(last._replace(epoch=last.epoch - 1))


@spoil("F")
def the_position_goes_back(s):
    moved = [f for f in s.fences if f.next > 0][-1]
    s.fences.append(moved._replace(next=0))


@spoil("L")
def requested_task_without_outcome(s):
    task = next(q for q in s.requests if q.kind == "tasks").task_ids[3]
    del s.ledger[row(s.ledger, task_id=task)]


@spoil("L")
def requested_task_on_no_lane(s):
    task = next(q for q in s.requests if q.kind == "tasks").task_ids[3]
    s.messages = [
        m
        for m in s.messages
        if not m.value or task.bytes not in m.value or not m.topic.startswith(f"{s.prefix}.tasks")
    ]


@spoil("V")
def request_not_published(s):
    replace(s.requests, row(s.requests, kind="tasks"), published_at=None)


@spoil("V")
def type_still_paused(s):
    replace(s.paused, 0, resumed_at=None)


@spoil("V")
def resumed_and_not_published_again(s):
    replace(s.paused, 0, published_again_at=None)


def waits(s, state, due_at=None):
    s.held.append(
        SimpleNamespace(
            source_no=s.ledger[0].source_no,
            src_offset=10**6,
            state=state,
            subject="7",
            type_no=s.ledger[0].type_no,
            due_at=due_at,
        )
    )


@spoil("V")
def a_failed_task_waits_for_ever(s):
    waits(s, "retry")


@spoil("V")
def a_task_waits_for_its_type(s):
    waits(s, "waiting")


@spoil("V")
def a_replay_was_not_taken_up(s):
    waits(s, "replay")


@spoil("V")
def a_record_waits_for_its_retry(s):
    waits(s, "record", s.ledger[0].at)


@spoil("E")
def done_long_after_the_cancellation(s):
    replace(
        s.runs,
        row(s.runs, run_no=1),
        state="cancelled",
        closed_at=min(r.at for r in s.ledger) - timedelta(minutes=1),
    )


@spoil("E")
def done_before_the_release(s):
    i = next(i for i, r in enumerate(s.runs) if r.released_at)
    replace(s.runs, i, released_at=s.runs[i].released_at + timedelta(hours=1))


@spoil("E")
def published_while_held_for_review(s):
    released = next(r for r in s.runs if r.released_at)
    s.ledger = [r for r in s.ledger if r.run_no != released.run_no]
    replace(s.runs, s.runs.index(released), released_at=None)


@spoil("L")
def run_succeeded_without_what_was_passed_over(s):
    task = row(s.ledger, run_no=next(r.run_no for r in s.runs if r.job == "bumping"), outcome=0)
    del s.ledger[task]


@spoil("L")
def message_beyond_the_batch_that_a_dead_letter_names(s):
    i = next(i for i, d in enumerate(s.dead) if verify.UNREADABLE.search(d.reason))
    found = verify.UNREADABLE.search(s.dead[i].reason)
    replace(s.dead, i, reason=s.dead[i].reason.replace(f"to {found[2]}", f"to {int(found[2]) - 1}"))


@spoil("A")
def dead_letter_with_another_id(s):
    rewrite(
        s,
        next(i for i, m in enumerate(s.messages) if m.topic == s.letters),
        "dead-letter",
        event_id=uuid.uuid4(),
    )


@spoil("H")
def address_in_a_log(s):
    s.logs["worker-1.log"] += 'level=info msg="sent" to=p17@example.org\n'


@spoil("H")
def sanitizer_in_a_log(s):
    s.logs["worker-1.log"] += "==1==ERROR: AddressSanitizer: heap-use-after-free\n"


@pytest.mark.parametrize("name", SPOILS)
def test_each_planted_fault_is_found(good, name):
    letter, function = SPOILS[name]
    spoiled = copy.copy(good)
    for field, value in vars(good).items():
        if isinstance(value, (list, dict)):
            setattr(spoiled, field, copy.copy(value))
    function(spoiled)
    letters, report = violations(spoiled)
    assert letter in letters, f"{name} was not told under {letter}\n{report.text()}"


def test_a_repeated_mail_is_allowed_only_where_an_answer_was_lost_and_it_was_counted(good):
    spoiled = copy.copy(good)
    spoiled.mails, spoiled.ledger = [*good.mails, good.mails[0]], list(good.ledger)
    assert "M" in violations(spoiled)[0] and "M" in violations(spoiled, repeated_mails="lost")[0]
    assert not violations(spoiled, repeated_mails="paused")[0]


def test_what_was_recorded_later_is_known_from_its_event(good):
    """The event says that a mail was not recorded, the ledger that it was: in the end it must
    be.
    """

    def spoiled(ledger_says):
        s = copy.copy(good)
        s.messages, s.ledger = list(good.messages), list(good.ledger)
        i = next(
            i
            for i, r in enumerate(s.ledger)
            if s.types[r.type_no] == "club.greet" and r.outcome == 0
        )
        mail = uuid.uuid5(
            next(r.run_id for r in s.runs if r.run_no == s.ledger[i].run_no),
            f"club.greet\0{s.ledger[i].subject}\0{s.ledger[i].item}",
        )
        at = next(
            n for n, m in enumerate(s.messages) if m.topic == s.results and mail.bytes in m.value
        )
        rewrite(s, at, reason="applied, not recorded: no")
        replace(s.ledger, i, reason=ledger_says)
        return violations(s)[0]

    assert spoiled("") == set()
    assert spoiled("otherwise") == {"A"}
    assert spoiled("applied, not recorded: no") == {"E"}  # it is recorded


def test_a_cancelled_run_may_lack_outcomes_and_no_other(good):
    s = copy.copy(good)
    s.runs, s.ledger = list(good.runs), list(good.ledger)
    i = next(i for i, r in enumerate(s.runs) if r.job == "bumping")
    left = [r for r in s.ledger if r.run_no == s.runs[i].run_no and r.subject in ("7", "8")]
    task = {uuid.uuid5(s.runs[i].run_id, f"club.bump\0{r.subject}\0").bytes for r in left}
    s.ledger = [r for r in s.ledger if r not in left]
    s.trace = [t for t in s.trace if not (t.run == str(s.runs[i].run_id) and t.subject in (7, 8))]
    s.messages = [
        m for m in s.messages if m.topic != s.results or not any(t in m.value for t in task)
    ]
    assert "L" in violations(s)[0]
    replace(s.runs, i, state="cancelled")
    report = violations(s)[1]
    assert not [v for v in report.violations if "no outcome" in v or "neither outcome" in v], (
        report.text()
    )


def test_a_failpoint_list_that_cannot_be_read_is_refused(tmp_path):
    """Said with the part that is wrong, and the programs do not start."""
    import subprocess

    from harness.paths import REPO, program

    for text in (
        "decide.committed",
        "x=kil@1",
        "x=kill",
        "x=kill@0",
        "x=kill@1x",
        "x=sleep@1",
        "x=error@1",
        "malloc=kill@1",
        "=kill@1",
        "x=kill@1,y",
    ):
        for name in ("worker", "scheduler", "aggregator"):
            done = subprocess.run(
                [
                    program(f"rollcall-{name}"),
                    "-c",
                    str(REPO / "config/rollcall.cfg"),
                    "--check-config",
                ],
                capture_output=True,
                text=True,
                env={"ROLLCALL_FAILPOINTS": text},
                timeout=10,
            )
            assert done.returncode == 3 and f'"{text.split(",")[-1]}" is not' in done.stderr, (
                text,
                done,
            )
    assert (
        "failpoints"
        in subprocess.run(
            [program("rollcall-worker"), "--version"], capture_output=True, text=True
        ).stdout
    )


def test_every_failpoint_of_the_programs_is_tried():
    """A place that no case names is not tested; a name that no program has never fires."""
    import re

    from harness.paths import REPO

    places = Counter()
    for folder in ("worker", "producer/scheduler", "aggregator", "common"):
        for path in (REPO / folder).rglob("*.c"):
            places.update(re.findall(r'\bFAILPOINT\("([^"]+)"\)', path.read_text()))
    cases = "".join(
        path.read_text()
        for path in (REPO / "tests/fault").glob("test_*.py")
        if path.name != "test_verify.py"
    )
    assert places and all(n == 1 for n in places.values())
    assert not [p for p in places if f'"{p}' not in cases]

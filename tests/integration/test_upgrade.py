# SPDX-License-Identifier: Apache-2.0
"""A database of an earlier version is brought to the present one, with what is in it."""

import uuid
from types import SimpleNamespace

import pytest
from cli_pack import TABLES, Service
from cli_service import UNREACHABLE
from harness.schema import VERSIONS
from worker_pack import NOON, Run, digest
from worker_service import make_service  # noqa: F401


@pytest.fixture
def earlier(tmp_path, database):
    """A service whose database has version 1."""
    database.execute(TABLES)
    database.execute(VERSIONS[0].read_text())
    return Service(tmp_path, database.conninfo, UNREACHABLE)


def add_run(database, state, planned=3, published=True, **counts):
    run_id = uuid.uuid4()
    number = database.value(
        "insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,"
        " dry_run, state, planned, published_at) values (%s, 'guild', 'nightly', '2026-02-01',"
        " '2026-02-01', 'manual', 'eva', false, %s, %s, case when %s then now() end) returning"
        " run_no",
        (run_id, state, planned, published),
    )
    if counts:
        database.execute(
            f"insert into rollcall.progress (run_no, source_no, {', '.join(counts)}) values (%s, 1,"
            f" {', '.join(str(n) for n in counts.values())})",
            (number,),
        )
    return run_id


def test_states_of_runs_get_their_present_names(earlier, database):
    expected = {
        add_run(database, "finished", applied=3): "succeeded",
        add_run(database, "finished", planned=0): "succeeded",
        add_run(database, "finished", applied=2, unknown=1): "completed with errors",
        add_run(database, "failed", applied=2, failed=1): "completed with errors",
        add_run(database, "failed", applied=2, quarantined=1): "completed with errors",
        add_run(database, "failed", applied=3, digest_a=7): "failed",  # its proof failed
        add_run(
            database, "failed", planned=0, published=False
        ): "failed",  # it could not be planned
        add_run(database, "published", applied=1): "published",
        add_run(database, "refused", planned=0, published=False): "refused",
        add_run(database, "cancelled", applied=1): "cancelled",
    }
    earlier.rollcall("db", "apply")
    assert dict(database.rows("select run_id, state from rollcall.run")) == expected


def test_gaps_of_re_created_topics_get_their_present_name(earlier, database):
    database.execute(
        "insert into rollcall.log_gap (source_no, how, position, low, high, found_by)"
        " values (1, 'made anew', 5, 0, 0, 'test'), (2, 'deleted', 5, 6, 9, 'test')"
    )
    earlier.rollcall("db", "apply")
    gaps = database.rows("select source_no, how from rollcall.log_gap order by 1")
    assert gaps == [(1, "re-created"), (2, "deleted")]


def to_version_2(database):
    with database.connect() as db, db.transaction():
        for version in VERSIONS[:2]:
            db.execute(version.read_text())


LEDGER = """
select run_id, pack, job, type, subject, item, outcome, reason, before, after, at, dry_run, actor,
       attempt, task_id
from rollcall.outcome_named
order by run_id, type, subject, item, task_id
"""


def test_a_filled_ledger_of_version_2_reads_the_same(tmp_path, database):
    database.execute(TABLES)
    to_version_2(database)
    service = Service(tmp_path, database.conninfo, UNREACHABLE)
    run = add_run(database, "published", planned=3, applied=2)
    database.execute("select rollcall.ensure_day('2026-02-01')")
    database.execute(
        "insert into rollcall.task_type (name) values ('guild.renew'), ('guild.remind')"
    )
    database.execute(
        "insert into rollcall.plan (run_no, chunk, type_no, dry_run, subjects) select run_no, 0, 1,"
        " false, array['a', 'b', 'c', 'd'] from rollcall.run"
    )
    database.execute(
        "insert into rollcall.outcome (run_no, src_offset, sequence, day, source_no, type_no,"
        " outcome, attempt, replaces, subject, item, reason, before, after, follow_ups) select"
        " r.run_no, v.n, v.n, r.day, 1, 1, v.outcome, v.attempt, v.replaces, v.subject, v.item,"
        " v.reason, v.before, v.after, v.follow_ups from rollcall.run r, (values (1, 0, 1,"
        " null::smallint, 'a', '', '', 'x', 'y', array['guild.remind']),"
        " (2, 0, 3, 3::smallint, 'b', 'i', 'late', null, null, null),"
        " (3, -2, 1, null, 'c', '', 'waits', null, null, null)) v (n, outcome, attempt, replaces,"
        " subject, item, reason, before, after, follow_ups)"
    )
    database.execute(
        "insert into rollcall.outcome (run_no, src_offset, sequence, day, source_no, type_no,"
        " outcome, subject, task_id, actor, arguments) values (0, 4, 4, '-infinity', 1, 2, 1, 'a',"
        " %s, 'cli:eva', '{\"days\": \"3\"}')",
        (uuid.uuid4(),),
    )
    before = database.rows(LEDGER)
    missing = database.rows("select * from rollcall.missing(1) order by subject")
    assert len(before) == 4 and len(missing) == 3
    service.rollcall("db", "apply")
    assert database.rows(LEDGER) == before
    assert database.rows("select * from rollcall.missing(1) order by subject") == missing
    assert database.rows("select run_id, by_task from rollcall.run") == [(run, True)]
    # the same day has both forms afterwards
    database.execute("select rollcall.ensure_day('2026-02-01')")
    assert database.value("select to_regclass('rollcall.outcome_batch_20260201')") is not None


def test_an_open_run_of_version_2_keeps_its_rows(make_service, kafka, database):  # noqa: F811
    """Half its tasks had their outcomes before the upgrade; all messages come again after it."""
    to_version_2(database)
    database.execute("set search_path = public")  # the user's name is that of the schema
    run = Run(SimpleNamespace(database=database))
    tasks = [run.task("bump", n) for n in range(1, 401)]
    ids = [t.id for t in tasks]
    database.execute("insert into rollcall.task_type (name) values ('club.bump')")
    for chunk in range(4):
        database.execute(
            "insert into rollcall.plan (run_no, chunk, type_no, dry_run, subjects) values (%s, %s,"
            " 1, false, %s)",
            (run.no, chunk, [t.subject for t in tasks[100 * chunk : 100 * chunk + 100]]),
        )
    database.execute(
        "update rollcall.run set planned = 400, planned_digest_a = %s, planned_digest_b = %s,"
        " chunks = 4, chunks_published = 4, published_at = now()",
        digest(ids),
    )
    database.execute(
        "insert into rollcall.outcome (run_no, src_offset, sequence, day, source_no, type_no,"
        " outcome, subject) select %s, n, n, %s, 1000, 1, 0, n::text from generate_series(1, 200)"
        " n",
        (run.no, NOON.date()),
    )
    database.execute(
        "insert into rollcall.progress (run_no, source_no, applied, digest_a, digest_b) values"
        " (%s, 1000, 200, %s, %s)",
        (run.no, *digest(ids[:200])),
    )
    service = make_service(kafka, people=400)
    run.service = service
    service.send(tasks)
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    service.wait(lambda: service.caught_up("tasks"))
    assert run.progress()["digest_matches"]
    assert database.rows("select hits, count(*) from person group by 1 order by 1") == [
        (0, 200),
        (1, 200),
    ]
    assert (
        database.value("select count(*) from rollcall.outcome where run_no = %s", (run.no,)) == 400
    )
    assert database.value("select count(*) from rollcall.outcome_batch") == 0
    assert database.value("select by_task from rollcall.run")

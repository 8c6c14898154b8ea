# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the operator's tool's tests: a service, as far as it is set up."""

import uuid

import pytest
from cli_pack import TABLES, Service
from harness.paths import program
from harness.process import Process

UNREACHABLE = "127.0.0.1:9"


@pytest.fixture
def offline(tmp_path, database):
    """A service with a database and no Kafka."""
    database.execute(TABLES)
    return Service(tmp_path, database.conninfo, UNREACHABLE)


@pytest.fixture
def service(offline, database):
    """The same, applied."""
    offline.rollcall("db", "apply")
    return offline


@pytest.fixture
def running(published):
    """published, with a worker."""
    daemon = Process(
        [program("rollcall-worker"), "-c", published.file], published.folder / "worker.log"
    )
    daemon.wait_until(lambda: 'msg="ready"' in daemon.text())
    yield published
    daemon.stop()


@pytest.fixture
def published(online):
    """online, with a scheduler that publishes what is requested."""
    daemon = Process(
        [program("rollcall-scheduler"), "-c", online.file], online.folder / "scheduler.log"
    )
    daemon.wait_until(lambda: 'msg="leading"' in daemon.text())
    yield online
    daemon.stop()


@pytest.fixture
def online(tmp_path, database, kafka, unique):
    """With Kafka, applied."""
    database.execute(TABLES)
    made = Service(tmp_path, database.conninfo, kafka.bootstrap, prefix=unique("p"))
    made.rollcall("db", "apply")
    made.rollcall("topics", "apply")
    return made


def make_run(database, state="published", dry_run=False, outcomes=(), planned=None):
    """A run as the scheduler and the workers would leave it."""
    run_id = uuid.uuid4()
    number = database.value(
        "insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,"
        " dry_run, state, planned, chunks, chunks_published, planned_at, published_at, closed_at)"
        " values (%s, 'guild', 'nightly', '2026-02-01', '2026-02-01', 'manual', 'cli:eva', %s, %s,"
        " %s, 1, 1, now(), now(), case when not rollcall.run_is_open(%s) then now() end) returning"
        " run_no",
        (run_id, dry_run, state, len(outcomes) if planned is None else planned, state),
    )
    database.execute("select rollcall.ensure_day('2026-02-01')")
    type_no = database.value("select type_no from rollcall.task_type where name = 'guild.lapse'")
    for i, (subject, outcome, reason) in enumerate(outcomes):
        database.execute(
            "insert into rollcall.outcome (run_no, src_offset, sequence, day, source_no, type_no,"
            " outcome, dry_run, subject, reason, before, after) values (%s, %s, %s, '2026-02-01',"
            " 1, %s, %s, %s, %s, %s, 'basic', 'lapsed')",
            (number, i, i + 1, type_no, outcome, dry_run, subject, reason),
        )
    counts = [sum(1 for o in outcomes if o[1] == k) for k in range(3)]
    database.execute(
        "insert into rollcall.progress (run_no, source_no, applied, skipped, failed) values (%s, 1,"
        " %s, %s, %s)",
        (number, *counts),
    )
    database.execute(
        "insert into rollcall.plan (run_no, chunk, type_no, dry_run, subjects) values (%s, 0, %s,"
        " %s, %s)",
        (
            number,
            type_no,
            dry_run,
            [o[0] for o in outcomes]
            + [f"m{i}" for i in range((planned or len(outcomes)) - len(outcomes))],
        ),
    )
    return str(run_id)

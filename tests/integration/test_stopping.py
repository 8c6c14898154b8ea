# SPDX-License-Identifier: Apache-2.0
"""SIGTERM ends each program within its stated time, whatever PostgreSQL or Kafka does; a second
one at once.
"""

import os
import signal
import time

import pytest
from harness.kafka import Kafka
from harness.paths import program
from harness.postgres import Database, Postgres
from harness.process import Process
from worker_pack import Run, adhoc
from worker_service import mail_sink, make_service  # noqa: F401

DRAIN = 4  # s
STATED = 20  # s: scheduler and aggregator
SLEEPY = """
create function sleepy() returns trigger language plpgsql as $$
    begin perform pg_sleep(300); return new; end $$;
create trigger sleepy before insert on journal for each row execute function sleepy();
"""


def waiting(service):
    """A statement of the worker's that has been running for a while."""
    return service.database.value(
        "select count(*) from pg_stat_activity where application_name like 'rollcall-worker%' and"
        " state = 'active' and query like '%effect%' and now() - query_start > interval '500 ms'"
    )


def ends_within(process, seconds):
    start = time.monotonic()
    status = process.child.wait(seconds + 5)
    took = time.monotonic() - start
    assert took < seconds, f"{took:.1f} s\n{process.text()[-3000:]}"
    return status


@pytest.mark.parametrize("second", [False, True], ids=["drain", "at-once"])
def test_a_statement_that_does_not_end(make_service, kafka, second):
    """The statement is cancelled when the time is over, which frees its locks; its tasks are as
    they were, without an error of their own.
    """
    service = make_service(
        kafka, people=20, partitions=1, drain_timeout=f'"{DRAIN if not second else 120}s"'
    )
    service.database.execute(SLEEPY)
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 21)]))
    worker = service.start(lanes=["tasks"])
    service.wait(lambda: waiting(service))
    worker.stopped = True
    worker.send_signal(signal.SIGTERM)
    if second:
        time.sleep(1)
        assert worker.running()
        worker.send_signal(signal.SIGTERM)
    assert ends_within(worker, DRAIN) == 0
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from pg_stat_activity where application_name like"
                " 'rollcall-worker%'"
            )
            == 0
        ),
        10,
    )
    assert service.database.value("select count(*) from rollcall.held") == 0
    service.database.execute("drop trigger sleepy on journal")
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    assert run.progress()["applied"] == 20
    service.stop_all()


def test_a_lock_held_by_another_session(make_service, kafka):
    service = make_service(kafka, people=20, partitions=1, drain_timeout=f'"{DRAIN}s"')
    other = service.database.connect()
    other.execute("begin")
    other.execute("select from person where id = 7 for update")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 21)]))
    worker = service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            service.position()
            or service.database.value("select count(*) from pg_locks where not granted")
        )
    )
    worker.stopped = True
    worker.send_signal(signal.SIGTERM)
    assert ends_within(worker, DRAIN) == 0
    other.close()
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    assert run.progress()["applied"] == 20
    service.stop_all()


def test_a_killed_worker_frees_its_locks(make_service, kafka):
    service = make_service(kafka, people=20, partitions=1)
    service.database.execute(SLEEPY)
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 21)]))
    worker = service.start(lanes=["tasks"])
    service.wait(lambda: waiting(service))
    service.kill(worker)
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from pg_stat_activity where application_name like"
                " 'rollcall-worker%'"
            )
            == 0
        ),
        15,
    )


def done(service):
    return service.database.value("select count(*) from rollcall.outcome_adhoc where outcome = 0")


def programs(service):
    worker = service.start(lanes=["tasks", "urgent"], drain_timeout=f'"{DRAIN}s"')
    others = [
        Process([program(f"rollcall-{name}"), "-c", service.config], service.folder / f"{name}.log")
        for name in ("scheduler", "aggregator")
    ]
    for process in others:
        process.wait_until(lambda: 'msg="ready"' in process.text())
    return worker, others


def all_end(worker, others):
    worker.stopped = True
    for process in [worker, *others]:
        process.send_signal(signal.SIGTERM)
    ends_within(worker, DRAIN + 1)
    for process in others:
        ends_within(process, STATED + 1 - DRAIN)


def test_programs_stop_while_the_database_is_frozen(make_service, kafka):
    """PostgreSQL answers nothing, and refuses nothing."""
    server = Postgres()
    try:
        service = make_service(kafka, db=Database(server, "frozen"), people=2000, batch_max=50)
        worker, others = programs(service)
        service.send([adhoc("club.bump", n) for n in range(1, 2001)])
        service.wait(lambda: done(service), 40)
        family = [server.process.pid] + [
            int(p) for p in os.popen(f"pgrep -P {server.process.pid}").read().split()
        ]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(1)
        try:
            all_end(worker, others)
        finally:
            for pid in reversed(family):
                os.kill(pid, signal.SIGCONT)
        service.start(lanes=["tasks"])
        service.wait(lambda: done(service) == 2000, 60)
        service.stop_all()
        service.database.db.close()
    finally:
        server.close()


def test_programs_stop_while_the_broker_is_frozen(make_service):
    node = Kafka()
    try:
        service = make_service(node, people=2000, batch_max=50)
        worker, others = programs(service)
        service.send([adhoc("club.bump", n) for n in range(1, 2001)])
        service.wait(lambda: done(service), 40)
        os.killpg(node.process.pid, signal.SIGSTOP)
        time.sleep(1)
        try:
            all_end(worker, others)
        finally:
            os.killpg(node.process.pid, signal.SIGCONT)
        service.start(lanes=["tasks"])
        service.wait(lambda: done(service) == 2000, 60)
        service.stop_all()
    finally:
        node.close()

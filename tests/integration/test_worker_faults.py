# SPDX-License-Identifier: Apache-2.0
"""Workers that are killed, frozen, fenced, drained, and servers that become unavailable."""

import random
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from harness.paths import PROGRAM_MAX_KIB
from harness.postgres import Database, Postgres
from worker_pack import Run, adhoc
from worker_service import make_service  # noqa: F401


# ---- crashes and absences ----
def steady(service, run, count, types=("bump", "enrol")):
    tasks = run.plan([run.task(t, n) for n in range(1, count + 1) for t in types])
    service.send(tasks)
    return tasks


def exactly_once(service, run, count):
    """After whatever happened: every task of `steady`, and what it caused, has one effect, one
    outcome, one event.
    """
    assert run.progress()["digest_matches"] and run.progress()["failed"] == 0
    assert (
        run.progress()["applied"] == count * 5
    )  # bump, enrol, its welcome, its greet, whose thanks
    assert service.database.rows("select hits, count(*) from person group by 1") == [(4, count)]
    assert service.journal() == Counter({(n, "bump", str(run.id)): 4 for n in range(1, count + 1)})
    assert service.database.rows("select count(*), count(distinct subject) from sent") == [
        (count, count)
    ]
    service.check_ledger(service.events(repeats=True))
    follow = Counter(
        r["task_id"] for lane in ("urgent", "mail") for _, _, _, _, r in service.read(lane)
    )
    assert len(follow) == 2 * count


@pytest.mark.parametrize("threads", [1, 2])
def test_killed_workers_lose_and_repeat_nothing(make_service, broker, threads):
    """kill -9 of busy workers, again and again, with others taking over."""
    service = make_service(broker, people=2500, batch_max=100, session="2s", threads=threads)
    run = Run(service)
    steady(service, run, 2500)
    r = random.Random(11)
    workers = [service.start(), service.start()]
    for _ in range(4):
        goal = min(run.progress()["done"] + r.randrange(300, 2500), 12000)
        service.wait(lambda: run.progress()["done"] >= goal)
        victim = workers.pop(r.randrange(2))
        service.kill(victim)
        workers.append(service.start())
    service.wait(run.complete, 90)
    exactly_once(service, run, 2500)
    service.stop_all()


def test_nothing_is_lost_while_the_database_is_unavailable(make_service, kafka, tmp_path):
    """Backends terminated, the server stopped and crashed, in the middle: said, waited for, and
    nothing is lost or done twice.
    """
    server = Postgres(fsync=True)
    try:
        service = make_service(
            kafka, db=Database(server, "away"), people=3000, batch_max=200, session="2s"
        )
        run = Run(service)
        steady(service, run, 3000)
        worker = service.start()
        for round_number in range(5):
            goal = run.progress()["done"] + 1000
            service.wait(lambda: run.progress()["done"] >= goal)
            if round_number in (0, 1, 3):
                service.database.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name"
                    " like 'rollcall-worker%'"
                )
            else:
                service.database.db.close()
                server.restart(crash=round_number == 4)
                service.database.db = server.connect("away")
        service.wait(run.complete)
        exactly_once(service, run, 3000)
        assert 2 <= worker.text().count('msg="cannot make progress, will retry"') <= 60
        service.stop_all()
        service.database.db.close()
    finally:
        server.close()


def test_broker_restarts(make_service, kafka):
    service = make_service(kafka, people=3000, batch_max=100, session="2s")
    run = Run(service)
    steady(service, run, 3000)
    worker = service.start()
    for crash in (False, True):
        goal = run.progress()["done"] + 1500
        service.wait(lambda: run.progress()["done"] >= goal)
        kafka.restart(crash=crash)
    service.wait(run.complete, 90)
    exactly_once(service, run, 3000)
    assert (
        worker.text().count('msg="cannot make progress, will retry"') <= 32
    )  # four lanes, two outages, some kinds of trouble each: logged per change, not per try
    service.stop_all()


def test_another_broker_does_not_inherit_positions(make_service, embedded):
    """The embedded broker's end takes its messages along; another one does not inherit
    positions, and the run, published again, is completed.
    """
    service = make_service(embedded, people=2000, batch_max=100)
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 2001)])
    worker = service.start(lanes=["tasks"])
    service.send(tasks[:1000])
    service.wait(lambda: run.progress()["done"] >= 500)
    embedded.stop(signal.SIGKILL)
    service.wait_log(worker, 'msg="cannot make progress, will retry"')
    embedded.file.unlink()
    embedded.start()
    service.write()
    service._producer = None
    service.rollcall("topics", "apply")
    service.send(tasks)
    service.wait(run.complete)
    assert (
        service.database.rows("select hits, count(*) from person group by 1") == [(1, 2000)]
        and run.progress()["digest_matches"]
    )
    assert (
        service.database.value(
            "select count(distinct cluster) from rollcall.position where topic = %s",
            (service.topic(),),
        )
        == 2
    )
    assert service.stop(worker) == 0
    service.stop_all()


def test_frozen_while_messages_are_deleted(make_service, kafka):
    """What it had fetched already it takes; what is missing is logged, and its
    position repaired.
    """
    service = make_service(kafka, people=100, partitions=1, config='lost_log = "repair";')
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 101)])
    service.send(tasks[:60])
    worker = service.start(lanes=["tasks"])
    service.wait(lambda: service.position() == 60)
    worker.send_signal(signal.SIGSTOP)
    service.send(tasks[60:])
    kafka.delete_records(service.topic(), 0, 80)
    worker.send_signal(signal.SIGCONT)
    service.wait(lambda: service.position() == 100)
    taken = run.progress()["done"]
    assert taken == 100 or (
        80 <= taken < 100
        and f"begins at offset 80, after the stored offset {taken - 20}" in worker.text()
    ), service.logs()
    service.send(tasks)
    service.wait(run.complete)
    service.stop_all()


# ---- fencing ----
def held_at_the_gate(service, gate, tasks):
    """A worker in the middle of the transaction of these tasks of type `gate`, which ends when
    the lock goes that is taken on `gate`.
    """
    gate.execute("select pg_advisory_lock(77)")
    worker = service.start(lanes=["tasks"], lock_timeout='"0s"')
    service.send(tasks)
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from pg_stat_activity where wait_event = 'advisory'"
            )
            == 1
        )
    )
    return worker


def shared_by_two(service):
    service.wait(
        lambda: (
            service.database.value(
                "select count(distinct owner) from rollcall.position where topic = %s",
                (service.topic(),),
            )
            == 2
        )
    )


def each_once(service, run):
    service.wait(run.complete)
    assert run.progress()["digest_matches"] and set(service.journal().values()) == {1}
    service.check_ledger(service.events(repeats=True))
    service.stop_all()


def test_a_statement_longer_than_the_poll_interval(make_service, kafka):
    """The group is served meanwhile: the membership is kept, another worker may join, and takes
    its share when the transaction has ended.
    """
    service = make_service(
        kafka,
        people=200,
        session="3s",
        partitions=2,
        config='properties = [ "max.poll.interval.ms=11000" ];',
    )
    run = Run(service)
    tasks = run.plan([run.task("gate", n) for n in range(1, 201)])
    with service.database.connect() as gate:
        first = held_at_the_gate(service, gate, tasks[:100])
        time.sleep(3)
        second = service.start(lanes=["tasks"], lock_timeout='"0s"')
        time.sleep(24)
        assert "MAXPOLL" not in first.text() and "lost=true" not in first.text()
        gate.execute("select pg_advisory_unlock(77)")
    service.wait(lambda: run.progress()["done"] == 100)
    service.wait_log(second, "partitions assigned")
    shared_by_two(service)
    service.send(tasks[100:])
    each_once(service, run)


def test_a_frozen_owner_comes_back(make_service, kafka):
    """Frozen in the middle of a transaction: another takes over although it holds locks. Back
    again it writes nothing, rejoins, and works on.
    """
    service = make_service(kafka, people=300, session="2s", partitions=2)
    run = Run(service)
    tasks = run.plan([run.task("gate", n) for n in range(1, 301)])
    with service.database.connect() as gate:
        first = held_at_the_gate(service, gate, tasks[:100])
        first.send_signal(signal.SIGSTOP)
        service.start(lanes=["tasks"], lock_timeout='"0s"')
        gate.execute("select pg_advisory_unlock(77)")
        service.wait(lambda: run.progress()["done"] == 100, 30)
    service.send(tasks[100:200])
    service.wait(lambda: run.progress()["done"] == 200)
    first.send_signal(signal.SIGCONT)
    service.wait_log(first, "partitions assigned(.*\n)*.*partitions assigned")
    shared_by_two(service)
    service.send(tasks[200:])
    each_once(service, run)


def test_frozen_again_and_again(make_service, kafka):
    """Frozen past its session at any moment, with another one working; both work on."""
    service = make_service(kafka, people=3000, session="1s", batch_max=60)
    run = Run(service)
    steady(service, run, 3000)
    first, second = service.start(), service.start()
    for victim in (first, second, first):
        goal = min(run.progress()["done"] + 1200, 14000)
        service.wait(lambda: run.progress()["done"] >= goal)
        victim.send_signal(signal.SIGSTOP)
        other = service.database.value("select sum(epoch) from rollcall.position")
        service.wait(
            lambda: service.database.value("select sum(epoch) from rollcall.position") >= other + 4
        )
        victim.send_signal(signal.SIGCONT)
    service.wait(run.complete, 90)
    exactly_once(service, run, 3000)
    service.stop_all()


def published_is_true(service):
    """Nothing that is not on the results topic is called published."""
    wire = {
        (r["source_topic"], r["source_partition"], r["sequence"])
        for _, _, _, _, r in service.read()
    }
    claimed = {
        tuple(r)
        for r in service.database.rows(
            "select p.topic, p.partition, o.sequence from rollcall.outcome o join rollcall.position"
            " p using (source_no) where o.sequence <= p.published"
        )
    }
    assert claimed <= wire
    return len(wire)


def test_held_back_and_drained(make_service, embedded):
    """Nobody takes the results, so publishing is held back. A drain ends in time all the same,
    and only what is on the topic is called published.
    """
    service = make_service(
        embedded,
        people=3000,
        batch_max=200,
        config="in_flight_max_bytes = 60000;",
        drain_timeout='"1s"',
    )
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 3001)]))
    for _ in range(2):  # the second time it is what an earlier one left that is held back
        worker = service.start(lanes=["tasks"])
        service.wait_log(worker, "partitions assigned")
        done = [-1]

        def stuck():
            before, done[0] = done[0], len(service.read())
            return done[0] == before

        service.wait(stuck)
        start = time.monotonic()
        assert service.stop(worker) == 0 and time.monotonic() - start < 12, service.logs()
        assert published_is_true(service) < 3000
    service.config_extra = ""
    service.database.execute(
        "insert into rollcall.position (cluster, topic, partition, next) select %s, %s, n,"
        " 1000000000 from generate_series(0, 3) n",
        (embedded.cluster, service.topic("results")),
    )
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    service.check_ledger(service.events(repeats=True))
    service.stop_all()


# ---- signals, speed, memory ----
@pytest.mark.parametrize("threads", [1, 2])
def test_drain_and_reload(make_service, broker, threads):
    service = make_service(broker, people=6000, batch_max=200, threads=threads)
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 6001)]))
    worker = service.start(lanes=["tasks"])
    service.wait(lambda: run.progress()["done"] >= 400)
    good = service.config.read_text()
    service.config.write_text(good.replace("batch_max = 200", 'batch_max = "many"'))
    worker.send_signal(signal.SIGHUP)
    service.wait_log(worker, r"reload refused.*batch_max")
    service.config.write_text(good.replace("batch_max = 200", "batch_max = 300"))
    worker.send_signal(signal.SIGHUP)
    service.wait(lambda: worker.text().count('msg="ready"') == 2)
    service.wait(lambda: run.progress()["done"] >= 1000)
    start = time.monotonic()
    assert service.stop(worker) == 0 and time.monotonic() - start < 10
    assert service.acknowledged() or run.complete()
    done, events = run.progress()["done"], service.events()
    assert len(events) == done  # a drain leaves nothing to publish again
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    service.check_ledger(service.events())
    assert worker.text().count("published again") == 0
    service.stop_all()


def peak(worker):
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker.pid}/status").read_text())[1])


@pytest.mark.parametrize("threads", [1, 2])
def test_an_urgent_task_overtakes_a_backlog_in_flat_memory(make_service, kafka, threads):
    """A bulk of 300,000 tasks: an urgent request overtakes it, and memory stays flat: two
    threads share what one would have.
    """
    service = make_service(kafka, people=300000, partitions=8, threads=threads)
    run = Run(service)
    service.send_bulk(run, "bump", range(1, 300001))
    start = time.monotonic()
    worker = service.start(lanes=["tasks", "urgent"])
    ready = time.monotonic() - start
    service.wait(lambda: run.progress()["done"] > 0)
    took = []
    for n in range(5):
        asked = adhoc("club.grant", n + 1, days="1")
        start = time.monotonic()
        service.send([asked], "urgent")
        service.wait(
            lambda: service.database.value(
                "select 1 from rollcall.outcome_adhoc where task_id = %s", (asked.id,)
            )
        )
        took.append(time.monotonic() - start)
        assert not run.complete()
    service.wait(run.complete, 400)
    service.wait(service.acknowledged)
    sanitized = b"libasan" in Path(f"/proc/{worker.pid}/maps").read_bytes()
    print(f"ready {ready:.2f} s, urgent {sorted(took)}, peak {peak(worker)} KiB")
    if not sanitized:
        assert sorted(took)[2] < 1 and ready < 5 and peak(worker) < PROGRAM_MAX_KIB
    assert (
        run.progress()["digest_matches"]
        and service.database.value("select sum(hits) from person") == 300000
    )
    service.stop_all()


def test_a_worker_that_cannot_start_names_the_reason(make_service, kafka, database):
    """What an operator must fix is logged, with the file, and is the exit status."""
    service = make_service(kafka)
    database.execute("insert into rollcall.schema_version values (99)")
    worker = service.start(ready=False)
    assert worker.wait(20) == 1 and "use a newer program" in worker.text()
    database.execute("delete from rollcall.schema_version where version = 99")
    (service.folder / "club/sql/bump.sql").write_text(
        "effect as (select subject, 'applied' as outcome from no_such_table)"
    )
    worker = service.start(lanes=["tasks"])  # the other types are served
    assert re.search(r"task type paused.*sql/bump.sql.*no_such_table.*42P01", worker.text())
    assert service.stop(worker) == 0
    database.execute("delete from rollcall.paused_type")
    (service.folder / "club/sql/bump.sql").write_text("effect as (select subject from batch)")
    worker = service.start(lanes=["tasks"])
    assert re.search(r"task type paused.*sql/bump.sql: effect has no column", worker.text())
    assert service.stop(worker) == 0
    worker = service.start(ready=False, batch_max='"x"')
    assert worker.wait(20) == 3 and "worker.batch_max" in worker.text()
    service.sanitized()

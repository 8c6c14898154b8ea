# SPDX-License-Identifier: Apache-2.0
"""Plan and publication, several schedulers and their deaths, the end of a run: real PostgreSQL,
Kafka and the embedded broker.
"""

import os
import re
import signal
import time
import uuid
from collections import Counter
from datetime import timedelta

import worker_pack
from harness.paths import PROGRAM_MAX_KIB
from harness.postgres import Database, Postgres
from scheduler_service import (
    expected,
    make_service,  # noqa: F401
)
from worker_pack import EPOCH, RUN_SPACE, digest


# ---- plan and publication ----
def test_a_run_is_planned_and_published_exactly(make_service, broker):
    """Every due subject once: in the plan, by its digest, and on the topic; with items,
    run-level tasks and a dry step too.
    """
    service = make_service(broker, people=1234)
    service.database.execute("update person set active = false where id % 10 = 0")
    due = [n for n in range(1, 1235) if n % 10]
    s = service.scheduler()
    run = service.ask("items", "--at", "2026-05-04T09:00:00-03:00")
    assert run == str(
        uuid.uuid5(
            RUN_SPACE, f"club\0items\0{(worker_pack.NOON - EPOCH) // timedelta(microseconds=1)}"
        )
    )
    assert service.until(run, "published") == ("published", "")
    pieces, dry, census = (
        expected(run, "pieces", due, ("part 1", "part 2")),
        expected(run, "other", due),
        expected(run, "census", [run]),
    )
    planned, a, b, chunks, published, cluster = service.row(
        run, "planned, planned_digest_a, planned_digest_b, chunks, chunks_published, cluster"
    )
    assert planned == len(pieces) + len(dry) + 1
    assert (a, b) == digest([*pieces, *dry, *census])
    assert chunks == published == service.database.value("select count(*) from rollcall.plan")
    assert (
        service.database.value("select max(cardinality(subjects)) from rollcall.plan") <= 100
        and cluster
    )
    tasks = service.tasks(run)
    assert Counter(t["task_id"] for t in tasks) == Counter([*pieces, *dry])
    who = service.database.value("select session_user")
    for t in tasks:
        assert (t["subject"], t["item"]) == {**pieces, **dry}[t["task_id"]]
        assert (
            t["dry_run"] == (t["type"] == "club.other")
            and t["scheduled_at"] == worker_pack.NOON
            and t["actor"] == who
        )
    assert [t["task_id"] for t in service.tasks(run, "jobs")] == list(census) and service.announced(
        run
    )
    assert {
        r[0]
        for r in service.database.rows(
            "select subject from rollcall.missing((select run_no from rollcall.run where run_id ="
            " %s))",
            (run,),
        )
    } == {str(n) for n in due} | {run}
    service.wait(lambda: [e["state"] for e in service.announced(run)] == ["planned", "published"])
    assert service.stop(s) == 0
    assert (
        service.database.value("select count(*) from rollcall.lease where expires_at > now()") == 0
    )


def test_states_are_published_in_their_order(make_service, embedded):
    """Small runs, which are published at once when they are planned."""
    service = make_service(embedded, people=1)
    service.scheduler()
    runs = [service.ask("sweep", "--force", "--at", f"2026-05-04T09:00:{n:02}Z") for n in range(40)]
    for run in runs:
        service.until(run, "published")
    told = service.wait(lambda: (lambda x: len(x) == 80 and x)(service.announced(*runs)))
    assert all(
        [e["state"] for e in told if e["run_id"] == first["run_id"]] == ["planned", "published"]
        for first in told
    )


def test_a_run_with_nobody_due_succeeds(make_service, embedded):
    service = make_service(embedded)
    service.scheduler()
    run = service.ask("sweep")
    assert service.until(run, "succeeded") == ("succeeded", "")
    assert service.row(run, "planned, chunks, notified_at is not null or true") == (0, 0, True)


def test_somebody_due_twice_is_one_task(make_service, embedded):
    service = make_service(embedded, people=350)
    service.scheduler()
    run = service.ask("doubled")
    service.until(run, "published")
    assert Counter(t["task_id"] for t in service.tasks(run)) == Counter(
        list(expected(run, "twice", range(1, 351)))
    )
    assert service.row(run, "planned") == (350,)


def peak(process):
    return int(re.search(r"VmHWM:\s+(\d+) kB", open(f"/proc/{process.pid}/status").read()).group(1))


def test_a_million_subjects_in_flat_memory(make_service, kafka):
    service = make_service(kafka, scheduler="chunk = 10000;")
    count = (
        100_000 if service.instrumented() else 1_000_000
    )  # a sanitizer's memory is not measured, and it takes its time
    service.database.execute("insert into person (id) select generate_series(1, %s)", (count,))
    s = service.scheduler()
    for job in ("hourly", "punctual"):  # or a full hour brings a million more, twice
        service.rollcall("jobs", "suspend", f"club.{job}")
    started = time.monotonic()
    run = service.ask("sweep")
    service.until(run, "published", timeout=120)
    print(f"{count} tasks in {time.monotonic() - started:.1f} s")
    assert service.row(run, "planned") == (count,)
    if not service.instrumented():
        assert peak(s) < PROGRAM_MAX_KIB, f"{peak(s)} kB"
    assert service.stop(s) == 0


def test_memory_stays_flat_while_kafka_acknowledges_nothing(make_service, kafka):
    """A broker that stands still for a while: what waits for it is bounded."""
    service = make_service(kafka, scheduler="chunk = 10000;")
    service.database.execute("insert into person (id) select generate_series(1, 400000)")
    s = service.scheduler()
    for job in ("hourly", "punctual"):
        service.rollcall("jobs", "suspend", f"club.{job}")
    run = service.ask("sweep")
    service.wait(lambda: service.row(run, "chunks_published > 0")[0])
    os.killpg(kafka.process.pid, signal.SIGSTOP)
    try:
        time.sleep(2)
    finally:
        os.killpg(kafka.process.pid, signal.SIGCONT)
    service.until(run, "published")
    if not service.instrumented():
        assert peak(s) < PROGRAM_MAX_KIB, f"{peak(s)} kB"
    assert service.stop(s) == 0


# ---- several schedulers, and their deaths ----
def test_two_schedulers_make_one_run(make_service, broker):
    service = make_service(broker, people=300)
    service.slots("sweep", timedelta(days=1))
    both = [service.scheduler(ready=False), service.scheduler(ready=False)]
    service.wait(lambda: any(state == "published" for _, state, *_ in service.runs("sweep")))
    for s in both:
        service.wait_log(s, 'msg="ready"')
    time.sleep(0.5)
    assert len(service.runs("sweep")) == 1
    run = service.database.value("select run_id from rollcall.run where job = 'sweep'")
    assert Counter(t["task_id"] for t in service.tasks(run)) == Counter(
        list(expected(run, "bump", range(1, 301)))
    )
    assert [("leading" in s.text()) for s in both].count(True) == 1
    assert service.database.value("select epoch from rollcall.lease") == 1
    for s in both:
        assert service.stop(s) == 0


def test_killed_while_publishing(make_service, kafka):
    """The next one continues from the last chunk that is known to be acknowledged: the same ids,
    all of them.
    """
    service = make_service(kafka, scheduler='lease = "1s"; tick = "100ms"; chunk = 500;')
    service.database.execute("insert into person (id) select generate_series(1, 300000)")
    first = service.scheduler()
    run = service.ask("sweep")
    service.wait(lambda: service.row(run, "chunks_published > 0")[0])
    service.kill(first)
    state, done, chunks = service.row(run, "state, chunks_published, chunks")
    assert state == "planned" and 0 < done < chunks
    service.scheduler()
    service.until(run, "published")
    tasks = Counter(t["task_id"] for t in service.tasks(run))
    assert set(tasks) == set(expected(run, "bump", range(1, 300001)))
    assert max(tasks.values()) <= 2


def test_killed_while_planning(make_service, embedded):
    """Half a plan is no plan."""
    service = make_service(embedded, people=100, scheduler='lease = "1s"; tick = "100ms";')
    (service.folder / "club/sql/slow.due.sql").write_text(
        "select id as subject from person, lateral (select pg_sleep(case when id > 50 then 30"
        " end)) s"
    )
    first = service.scheduler()
    run = service.ask("slow", "--force")
    service.wait(
        lambda: service.database.value(
            "select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"
        )
    )
    service.kill(first)
    (service.folder / "club/sql/slow.due.sql").write_text("select id as subject from person")
    service.database.execute("update rollcall.run set deadline_at = null")
    service.scheduler()
    service.until(run, "published")
    assert len(service.tasks(run)) == 100


def test_a_paused_leader_writes_nothing_after_it_has_lost_the_lead(make_service, kafka):
    service = make_service(kafka, scheduler='lease = "1s"; tick = "100ms"; chunk = 200;')
    service.database.execute("insert into person (id) select generate_series(1, 200000)")
    first = service.scheduler()
    run = service.ask("sweep")
    service.wait(lambda: service.row(run, "chunks_published > 0")[0])
    first.send_signal(signal.SIGSTOP)
    assert service.state(run) == "planned"
    second = service.scheduler()
    service.until(run, "published")
    assert service.database.value("select epoch from rollcall.lease") == 2
    before = service.row(run, "published_at, chunks_published")
    first.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    assert service.row(run, "published_at, chunks_published") == before
    assert service.database.value("select epoch from rollcall.lease") == 2
    assert set(t["task_id"] for t in service.tasks(run)) == set(
        expected(run, "bump", range(1, 200001))
    )
    assert service.stop(second) == 0 and service.stop(first) == 0


def test_lead_is_handed_over_at_once(make_service, embedded):
    service = make_service(embedded, scheduler='lease = "1h"; tick = "100ms";')
    first = service.scheduler()
    service.wait_log(first, 'msg="leading"')
    second = service.scheduler()
    assert service.stop(first) == 0
    service.wait_log(second, 'msg="leading" epoch=2')  # the lease alone would take an hour


def test_a_restarted_embedded_broker_gets_all_again(make_service, embedded):
    service = make_service(embedded, people=250)
    s = service.scheduler()
    run = service.ask("sweep")
    service.until(run, "published")
    embedded.restart(crash=True)
    service.wait_log(s, "republishing run")
    service.until(run, "published")
    assert service.row(run, "cluster") == (embedded.cluster,)
    assert Counter(t["task_id"] for t in service.tasks(run)) == Counter(
        list(expected(run, "bump", range(1, 251)))
    )


def test_follow_ups_that_a_lost_broker_had_are_published_again(make_service, embedded):
    """The part of the worker: ten tasks are done and have spawned; the follow-up of one of them
    is done too.
    """
    service = make_service(embedded, people=250)
    s = service.scheduler()
    run = service.ask("sure")
    service.until(run, "published")
    service.database.execute(
        """insert into rollcall.outcome (day, run_no, type_no, source_no, src_offset, sequence,
            outcome, subject, follow_ups)
        select r.day, r.run_no, t.type_no, 999, n, n, 0, n::text, array['club.welcome',
            'club.greet'] from rollcall.run r, rollcall.task_type t,
        generate_series(1, 10) n where r.run_id = %s and t.name = 'club.enrol'
        union all select r.day, r.run_no, t.type_no, 999, 11, 11, 2, '4', null from rollcall.run r,
            rollcall.task_type t where r.run_id = %s and t.name = 'club.welcome'""",
        [run, run],
    )
    embedded.restart(crash=True)
    service.wait_log(s, "republishing run")
    service.until(run, "published")
    assert Counter(t["task_id"] for t in service.tasks(run)) == Counter(
        list(expected(run, "enrol", range(11, 251)))
    )  # the ten are done
    assert {t["task_id"] for t in service.tasks(run, "mail")} == set(
        expected(run, "greet", range(1, 11))
    )
    assert {t["task_id"] for t in service.tasks(run, "urgent")} == set(
        expected(run, "welcome", [n for n in range(1, 11) if n != 4])
    )


def test_an_operator_has_a_run_published_again(make_service, embedded):
    service = make_service(embedded, people=250)
    service.scheduler()
    run = service.ask("sweep")
    service.until(run, "published")
    service.rollcall("runs", "republish", run)
    service.wait(lambda: len(service.tasks(run)) == 500)
    service.until(run, "published")
    assert set(Counter(t["task_id"] for t in service.tasks(run)).values()) == {2}


def test_the_database_is_unavailable_and_comes_back(tmp_path, make_service, embedded):
    server = Postgres()
    try:
        db = Database(server, "d")
        service = make_service(embedded, db=db, people=100)
        s = service.scheduler()
        service.until(service.ask("sweep"), "published")
        db.db.close()
        server.stop()
        service.wait_log(s, 'msg="cannot make progress, will retry"')
        time.sleep(2)
        assert s.text().count('msg="cannot make progress, will retry"') <= 3
        server.start()
        db.db = server.connect("d")
        service.wait_log(s, 'msg="recovered"')
        service.until(service.ask("items"), "published")
        assert service.stop(s) == 0
    finally:
        server.close()


# ---- closing ----
def test_a_run_ends_with_its_proof_and_what_follows_from_it(make_service, broker):
    service = make_service(broker, people=300, lanes='[ "tasks", "urgent", "mail", "jobs" ]')
    s = service.scheduler()
    service.start()
    run = service.ask("sure")
    assert service.until(run, "succeeded", "failed") == ("succeeded", "")
    planned, applied, spawned, match = service.database.rows(
        "select planned, applied, spawned, digest_matches from rollcall.run_progress where run_id"
        " = %s",
        (run,),
    )[0]
    assert match and planned == 300 + spawned and spawned >= 600 and applied == planned
    assert re.search(
        rf'run closed.*job=club.sure state="succeeded".* planned={planned} applied={applied}'
        r" skipped=0 failed=0",
        s.text(),
    )
    service.wait(lambda: service.database.value("select count(*) from told") == 2)
    ids = {
        str(uuid.uuid5(uuid.UUID(run), f"on/club.told-{what}")) for what in ("success", "finish")
    }
    assert {
        str(r[0])
        for r in service.database.rows(
            "select task_id from rollcall.outcome_named where type like 'club.told-%%'"
        )
    } == ids
    service.wait(lambda: service.row(run, "notified_at is not null")[0])
    last = service.announced(run)[-1]
    assert (last["state"], last["planned"]) == ("succeeded", planned)


def test_a_follow_up_that_several_ways_lead_to_is_one_task(make_service, embedded):
    """welcome follows from enrol, choose and, named twice, from stutter; greet follows from
    enrol and is planned as well.
    """
    service = make_service(embedded, people=60)
    service.database.execute("update person set email = id || '@example.org'")
    service.scheduler()
    service.start()
    service.start()
    run = service.ask("shared")
    assert service.until(run, "succeeded", timeout=60) == ("succeeded", "")
    assert service.database.rows(
        "select planned, done, spawned, digest_matches from rollcall.run_progress where run_id"
        " = %s",
        (run,),
    ) == [(360, 360, 120, True)]
    counts = service.database.rows("select type, count(*) from rollcall.outcome_named group by 1")
    assert dict(counts) == {
        "club.enrol": 60,
        "club.choose": 60,
        "club.greet": 60,
        "club.stutter": 60,
        "club.welcome": 60,
        "club.thanks": 60,
    }
    assert len(service.mails()) == 60
    assert (
        len([t for t in service.tasks(run, "urgent") if t["type"] == "club.welcome"]) == 60
    )  # published once each


def test_a_run_with_a_failed_task_completes_with_errors(make_service, embedded):
    service = make_service(embedded, people=3)
    service.scheduler()
    service.start()
    run = service.ask("mixed")
    assert service.until(run, "succeeded", "completed with errors") == (
        "completed with errors",
        "1 failed, 0 quarantined and 0 unknown of 3 tasks",
    )
    service.wait(lambda: service.database.value("select count(*) from told") == 2)
    assert {
        r[0]
        for r in service.database.rows(
            "select type from rollcall.outcome_named where type like 'club.told-%%'"
        )
    } == {"club.told-failure", "club.told-finish"}
    dry = service.ask("mixed", "--dry-run")
    service.until(dry, "completed with errors")
    service.wait(lambda: service.row(dry, "notified_at is not null")[0])
    assert service.database.value("select count(*) from told") == 2


def test_outcomes_that_were_not_planned_are_no_proof(make_service, embedded):
    service = make_service(embedded, people=3)
    service.scheduler()
    run = service.ask("sweep")
    service.until(run, "published")
    service.database.execute(
        "insert into rollcall.progress (run_no, source_no, applied, digest_a) select run_no, 1, 3,"
        " 5 from rollcall.run"
    )
    state, reason = service.until(run, "failed")
    assert (
        reason
        == "the proof of completeness fails: 3 outcomes for 3 planned tasks, digest different"
    )

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
    rig,  # noqa: F401
)
from worker_pack import EPOCH, RUN_SPACE, digest


# ---- plan and publication ----
def test_a_run_is_planned_and_published_exactly(rig, broker):
    """Every due subject once: in the plan, by its digest, and on the topic; with items,
    run-level tasks and a dry step too.
    """
    rig = rig(broker, people=1234)
    rig.database.execute("update person set active = false where id % 10 = 0")
    due = [n for n in range(1, 1235) if n % 10]
    s = rig.scheduler()
    run = rig.ask("items", "--at", "2026-05-04T09:00:00-03:00")
    assert run == str(
        uuid.uuid5(
            RUN_SPACE, f"club\0items\0{(worker_pack.NOON - EPOCH) // timedelta(microseconds=1)}"
        )
    )
    assert rig.until(run, "published") == ("published", "")
    pieces, dry, census = (
        expected(run, "pieces", due, ("part 1", "part 2")),
        expected(run, "other", due),
        expected(run, "census", [run]),
    )
    planned, a, b, chunks, published, cluster = rig.row(
        run, "planned, planned_digest_a, planned_digest_b, chunks, chunks_published, cluster"
    )
    assert planned == len(pieces) + len(dry) + 1
    assert (a, b) == digest([*pieces, *dry, *census])
    assert chunks == published == rig.database.value("select count(*) from rollcall.plan")
    assert (
        rig.database.value("select max(cardinality(subjects)) from rollcall.plan") <= 100
        and cluster
    )
    tasks = rig.tasks(run)
    assert Counter(t["task_id"] for t in tasks) == Counter([*pieces, *dry])
    who = rig.database.value("select session_user")
    for t in tasks:
        assert (t["subject"], t["item"]) == {**pieces, **dry}[t["task_id"]]
        assert (
            t["dry_run"] == (t["type"] == "club.other")
            and t["scheduled_at"] == worker_pack.NOON
            and t["actor"] == who
        )
    assert [t["task_id"] for t in rig.tasks(run, "jobs")] == list(census) and rig.announced(run)
    assert {
        r[0]
        for r in rig.database.rows(
            "select subject from rollcall.missing((select run_no from rollcall.run where run_id ="
            " %s))",
            (run,),
        )
    } == {str(n) for n in due} | {run}
    rig.wait(lambda: [e["state"] for e in rig.announced(run)] == ["planned", "published"])
    assert rig.stop(s) == 0
    assert rig.database.value("select count(*) from rollcall.lease where expires_at > now()") == 0


def test_states_are_told_in_their_order(rig, embedded):
    """Small runs, which are published at once when they are planned."""
    rig = rig(embedded, people=1)
    rig.scheduler()
    runs = [rig.ask("sweep", "--force", "--at", f"2026-05-04T09:00:{n:02}Z") for n in range(40)]
    for run in runs:
        rig.until(run, "published")
    told = rig.wait(lambda: (lambda x: len(x) == 80 and x)(rig.announced(*runs)))
    assert all(
        [e["state"] for e in told if e["run_id"] == first["run_id"]] == ["planned", "published"]
        for first in told
    )


def test_a_run_with_nobody_due_succeeds(rig, embedded):
    rig = rig(embedded)
    rig.scheduler()
    run = rig.ask("sweep")
    assert rig.until(run, "succeeded") == ("succeeded", "")
    assert rig.row(run, "planned, chunks, notified_at is not null or true") == (0, 0, True)


def test_somebody_due_twice_is_one_task(rig, embedded):
    rig = rig(embedded, people=350)
    rig.scheduler()
    run = rig.ask("doubled")
    rig.until(run, "published")
    assert Counter(t["task_id"] for t in rig.tasks(run)) == Counter(
        list(expected(run, "twice", range(1, 351)))
    )
    assert rig.row(run, "planned") == (350,)


def peak(process):
    return int(re.search(r"VmHWM:\s+(\d+) kB", open(f"/proc/{process.pid}/status").read()).group(1))


def test_a_million_subjects_in_flat_memory(rig, kafka):
    rig = rig(kafka, scheduler="chunk = 10000;")
    count = (
        100_000 if rig.instrumented() else 1_000_000
    )  # a sanitizer's memory is not measured, and it takes its time
    rig.database.execute("insert into person (id) select generate_series(1, %s)", (count,))
    s = rig.scheduler()
    for job in ("hourly", "punctual"):  # or a full hour brings a million more, twice
        rig.rollcall("jobs", "suspend", f"club.{job}")
    started = time.monotonic()
    run = rig.ask("sweep")
    rig.until(run, "published", timeout=120)
    print(f"{count} tasks in {time.monotonic() - started:.1f} s")
    assert rig.row(run, "planned") == (count,)
    if not rig.instrumented():
        assert peak(s) < PROGRAM_MAX_KIB, f"{peak(s)} kB"
    assert rig.stop(s) == 0


def test_memory_stays_flat_while_kafka_acknowledges_nothing(rig, kafka):
    """A broker that stands still for a while: what waits for it is bounded."""
    rig = rig(kafka, scheduler="chunk = 10000;")
    rig.database.execute("insert into person (id) select generate_series(1, 400000)")
    s = rig.scheduler()
    for job in ("hourly", "punctual"):
        rig.rollcall("jobs", "suspend", f"club.{job}")
    run = rig.ask("sweep")
    rig.wait(lambda: rig.row(run, "chunks_published > 0")[0])
    os.killpg(kafka.process.pid, signal.SIGSTOP)
    try:
        time.sleep(2)
    finally:
        os.killpg(kafka.process.pid, signal.SIGCONT)
    rig.until(run, "published")
    if not rig.instrumented():
        assert peak(s) < PROGRAM_MAX_KIB, f"{peak(s)} kB"
    assert rig.stop(s) == 0


# ---- several schedulers, and their deaths ----
def test_two_schedulers_make_one_run(rig, broker):
    rig = rig(broker, people=300)
    rig.slots("sweep", timedelta(days=1))
    both = [rig.scheduler(ready=False), rig.scheduler(ready=False)]
    rig.wait(lambda: any(state == "published" for _, state, *_ in rig.runs("sweep")))
    for s in both:
        rig.wait_log(s, 'msg="ready"')
    time.sleep(0.5)
    assert len(rig.runs("sweep")) == 1
    run = rig.database.value("select run_id from rollcall.run where job = 'sweep'")
    assert Counter(t["task_id"] for t in rig.tasks(run)) == Counter(
        list(expected(run, "bump", range(1, 301)))
    )
    assert [("leading" in s.text()) for s in both].count(True) == 1
    assert rig.database.value("select epoch from rollcall.lease") == 1
    for s in both:
        assert rig.stop(s) == 0


def test_killed_while_publishing(rig, kafka):
    """The next one goes on from the last chunk that is known to be acknowledged: the same ids,
    all of them.
    """
    rig = rig(kafka, scheduler='lease = "1s"; tick = "100ms"; chunk = 500;')
    rig.database.execute("insert into person (id) select generate_series(1, 300000)")
    first = rig.scheduler()
    run = rig.ask("sweep")
    rig.wait(lambda: rig.row(run, "chunks_published > 0")[0])
    rig.kill(first)
    state, done, chunks = rig.row(run, "state, chunks_published, chunks")
    assert state == "planned" and 0 < done < chunks
    rig.scheduler()
    rig.until(run, "published")
    tasks = Counter(t["task_id"] for t in rig.tasks(run))
    assert set(tasks) == set(expected(run, "bump", range(1, 300001)))
    assert max(tasks.values()) <= 2


def test_killed_while_planning(rig, embedded):
    """Half a plan is no plan."""
    rig = rig(embedded, people=100, scheduler='lease = "1s"; tick = "100ms";')
    (rig.folder / "club/sql/slow.due.sql").write_text(
        "select id as subject from person, lateral (select pg_sleep(case when id > 50 then 30"
        " end)) s"
    )
    first = rig.scheduler()
    run = rig.ask("slow", "--force")
    rig.wait(
        lambda: rig.database.value(
            "select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"
        )
    )
    rig.kill(first)
    (rig.folder / "club/sql/slow.due.sql").write_text("select id as subject from person")
    rig.database.execute("update rollcall.run set deadline_at = null")
    rig.scheduler()
    rig.until(run, "published")
    assert len(rig.tasks(run)) == 100


def test_a_paused_leader_writes_nothing_after_it_has_lost_the_lead(rig, kafka):
    rig = rig(kafka, scheduler='lease = "1s"; tick = "100ms"; chunk = 200;')
    rig.database.execute("insert into person (id) select generate_series(1, 200000)")
    first = rig.scheduler()
    run = rig.ask("sweep")
    rig.wait(lambda: rig.row(run, "chunks_published > 0")[0])
    first.send_signal(signal.SIGSTOP)
    assert rig.state(run) == "planned"
    second = rig.scheduler()
    rig.until(run, "published")
    assert rig.database.value("select epoch from rollcall.lease") == 2
    before = rig.row(run, "published_at, chunks_published")
    first.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    assert rig.row(run, "published_at, chunks_published") == before
    assert rig.database.value("select epoch from rollcall.lease") == 2
    assert set(t["task_id"] for t in rig.tasks(run)) == set(expected(run, "bump", range(1, 200001)))
    assert rig.stop(second) == 0 and rig.stop(first) == 0


def test_lead_is_handed_over_at_once(rig, embedded):
    rig = rig(embedded, scheduler='lease = "1h"; tick = "100ms";')
    first = rig.scheduler()
    rig.wait_log(first, 'msg="leading"')
    second = rig.scheduler()
    assert rig.stop(first) == 0
    rig.wait_log(second, 'msg="leading" epoch=2')  # the lease alone would take an hour


def test_an_embedded_broker_started_anew_gets_all_again(rig, embedded):
    rig = rig(embedded, people=250)
    s = rig.scheduler()
    run = rig.ask("sweep")
    rig.until(run, "published")
    embedded.restart(crash=True)
    rig.wait_log(s, "republishing run")
    rig.until(run, "published")
    assert rig.row(run, "cluster") == (embedded.cluster,)
    assert Counter(t["task_id"] for t in rig.tasks(run)) == Counter(
        list(expected(run, "bump", range(1, 251)))
    )


def test_follow_ups_that_a_lost_broker_had_are_published_again(rig, embedded):
    """The part of the worker: ten tasks are done and have spawned; the follow-up of one of them
    is done too.
    """
    rig = rig(embedded, people=250)
    s = rig.scheduler()
    run = rig.ask("sure")
    rig.until(run, "published")
    rig.database.execute(
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
    rig.wait_log(s, "republishing run")
    rig.until(run, "published")
    assert Counter(t["task_id"] for t in rig.tasks(run)) == Counter(
        list(expected(run, "enrol", range(11, 251)))
    )  # the ten are done
    assert {t["task_id"] for t in rig.tasks(run, "mail")} == set(
        expected(run, "greet", range(1, 11))
    )
    assert {t["task_id"] for t in rig.tasks(run, "urgent")} == set(
        expected(run, "welcome", [n for n in range(1, 11) if n != 4])
    )


def test_an_operator_has_a_run_published_again(rig, embedded):
    rig = rig(embedded, people=250)
    rig.scheduler()
    run = rig.ask("sweep")
    rig.until(run, "published")
    rig.rollcall("runs", "republish", run)
    rig.wait(lambda: len(rig.tasks(run)) == 500)
    rig.until(run, "published")
    assert set(Counter(t["task_id"] for t in rig.tasks(run)).values()) == {2}


def test_the_database_goes_away_and_comes_back(tmp_path, rig, embedded):
    server = Postgres()
    try:
        db = Database(server, "d")
        rig = rig(embedded, db=db, people=100)
        s = rig.scheduler()
        rig.until(rig.ask("sweep"), "published")
        db.db.close()
        server.stop()
        rig.wait_log(s, 'msg="cannot make progress, will retry"')
        time.sleep(2)
        assert s.text().count('msg="cannot make progress, will retry"') <= 3
        server.start()
        db.db = server.connect("d")
        rig.wait_log(s, 'msg="recovered"')
        rig.until(rig.ask("items"), "published")
        assert rig.stop(s) == 0
    finally:
        server.close()


# ---- closing ----
def test_a_run_ends_with_its_proof_and_what_follows_from_it(rig, broker):
    rig = rig(broker, people=300, lanes='[ "tasks", "urgent", "mail", "jobs" ]')
    s = rig.scheduler()
    rig.start()
    run = rig.ask("sure")
    assert rig.until(run, "succeeded", "failed") == ("succeeded", "")
    planned, applied, spawned, match = rig.database.rows(
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
    rig.wait(lambda: rig.database.value("select count(*) from told") == 2)
    ids = {
        str(uuid.uuid5(uuid.UUID(run), f"on/club.told-{what}")) for what in ("success", "finish")
    }
    assert {
        str(r[0])
        for r in rig.database.rows(
            "select task_id from rollcall.outcome_named where type like 'club.told-%%'"
        )
    } == ids
    rig.wait(lambda: rig.row(run, "notified_at is not null")[0])
    last = rig.announced(run)[-1]
    assert (last["state"], last["planned"]) == ("succeeded", planned)


def test_a_follow_up_that_several_ways_lead_to_is_one_task(rig, embedded):
    """welcome follows from enrol, choose and, named twice, from stutter; greet follows from
    enrol and is planned as well.
    """
    rig = rig(embedded, people=60)
    rig.database.execute("update person set email = id || '@example.org'")
    rig.scheduler()
    rig.start()
    rig.start()
    run = rig.ask("shared")
    assert rig.until(run, "succeeded", timeout=60) == ("succeeded", "")
    assert rig.database.rows(
        "select planned, done, spawned, digest_matches from rollcall.run_progress where run_id"
        " = %s",
        (run,),
    ) == [(360, 360, 120, True)]
    counts = rig.database.rows("select type, count(*) from rollcall.outcome_named group by 1")
    assert dict(counts) == {
        "club.enrol": 60,
        "club.choose": 60,
        "club.greet": 60,
        "club.stutter": 60,
        "club.welcome": 60,
        "club.thanks": 60,
    }
    assert len(rig.mails()) == 60
    assert (
        len([t for t in rig.tasks(run, "urgent") if t["type"] == "club.welcome"]) == 60
    )  # published once each


def test_a_run_with_a_failed_task_completes_with_errors(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.start()
    run = rig.ask("mixed")
    assert rig.until(run, "succeeded", "completed with errors") == (
        "completed with errors",
        "1 failed, 0 quarantined and 0 unknown of 3 tasks",
    )
    rig.wait(lambda: rig.database.value("select count(*) from told") == 2)
    assert {
        r[0]
        for r in rig.database.rows(
            "select type from rollcall.outcome_named where type like 'club.told-%%'"
        )
    } == {"club.told-failure", "club.told-finish"}
    dry = rig.ask("mixed", "--dry-run")
    rig.until(dry, "completed with errors")
    rig.wait(lambda: rig.row(dry, "notified_at is not null")[0])
    assert rig.database.value("select count(*) from told") == 2


def test_outcomes_that_were_not_planned_are_no_proof(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    run = rig.ask("sweep")
    rig.until(run, "published")
    rig.database.execute(
        "insert into rollcall.progress (run_no, source_no, applied, digest_a) select run_no, 1, 3,"
        " 5 from rollcall.run"
    )
    state, reason = rig.until(run, "failed")
    assert (
        reason
        == "the proof of completeness fails: 3 outcomes for 3 planned tasks, digest different"
    )

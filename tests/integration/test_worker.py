# SPDX-License-Identifier: Apache-2.0
"""The worker on real parts: PostgreSQL, a real Kafka node and the embedded broker. The test is
the scheduler.
"""

import os
import random
import re
import time
import uuid
from collections import Counter, defaultdict
from datetime import timedelta

import pytest
from worker_pack import LETTER_MARK, NOON, OUTCOME_MARK, TASK_MARK, Run, adhoc
from worker_service import make_service  # noqa: F401


# ---- the main way ----
def test_each_task_once(make_service, broker):
    """10,000 tasks in 4 partitions for 2 workers: each takes effect once, has one outcome, one
    event.
    """
    service = make_service(broker, people=10000)
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 10001)])
    service.send(tasks)
    service.start(lanes=["tasks"])
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    assert service.database.rows("select hits, count(*) from person group by 1") == [(1, 10000)]
    assert service.journal() == Counter({(n, "bump", str(run.id)): 1 for n in range(1, 10001)})
    assert set(run.outcomes().values()) == {("applied", "")}
    assert run.progress() == {
        "planned": 10000,
        "applied": 10000,
        "skipped": 0,
        "failed": 0,
        "quarantined": 0,
        "unknown": 0,
        "spawned": 0,
        "done": 10000,
        "digest_matches": True,
    }
    events = service.events(repeats=True)
    assert {e["task_id"] for e in events.values()} == {t.id for t in tasks}
    one = next(e for e in events.values() if e["subject"] == "77")
    assert (one["pack"], one["job"], one["type"], one["actor"], one["before"], one["after"]) == (
        "club",
        "sweep",
        "club.bump",
        "cli:bob",
        "0",
        "1",
    )
    service.check_ledger(events)
    service.stop_all()
    assert service.acknowledged()


def test_repeated_tasks_take_effect_once(make_service, broker):
    """Twice in one batch, from a second scheduler, and again after the end; with another item it
    is another task.
    """
    service = make_service(broker, people=500)
    run = Run(service)
    tasks = run.plan([run.task("bump", n, item) for n in range(1, 501) for item in ("", "b")])
    service.send(tasks + tasks)
    service.start(lanes=["tasks"])
    service.send(tasks)
    service.wait(run.complete)
    service.send(tasks[:100] + tasks[:100])
    service.wait(lambda: service.position() == 3200)
    assert (
        set(service.journal().values()) == {2}
        and service.database.value("select count(*) from journal") == 1000
    )
    assert run.progress()["done"] == 1000 and run.progress()["digest_matches"]
    service.check_ledger(service.events())
    service.stop_all()
    assert service.database.value("select min(published) from rollcall.position where next > 0") > 0


def test_tasks_of_one_subject_keep_their_order(make_service, kafka):
    """Tasks of several types about the same people, in one batch and over many: each person's in
    the order of the topic.
    """
    service = make_service(kafka, people=50, batch_max=700)
    run = Run(service)
    order = random.Random(5)
    tasks = [
        run.task(order.choice(["bump", "gate", "enrol"]), n, f"{k:03}")
        for k in range(60)
        for n in order.sample(range(1, 51), 50)
    ]
    service.send(run.plan(tasks))
    service.start(lanes=["tasks"])
    service.wait(lambda: service.position() == len(tasks))
    seen = defaultdict(list)
    for subject, item in service.database.rows("select subject, item from journal order by n"):
        seen[subject].append(item)
    assert (
        all(items == sorted(items) and len(items) == 60 for items in seen.values())
        and len(seen) == 50
    )
    service.stop_all()


# ---- what fails, and what is refused ----
def test_failing_rows_stand_alone(make_service, broker):
    """Three that fail among 5,000, by a data error and by constraints that are checked late: the
    others are applied.
    """
    service = make_service(broker, people=5000)
    for subject, trap in ((17, "zero"), (2500, "deferred"), (4999, "zero")):
        service.database.execute("update person set trap = %s where id = %s", (trap, subject))
    run = Run(service)
    tasks = run.plan(
        [run.task("bump", n) for n in range(1, 5001)]
        + [run.task("nobody", 3), run.task("bump", 5001)]
    )
    service.send(tasks)
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    outcomes = run.outcomes("bump")
    assert {s: o for s, o in outcomes.items() if o[0] != "applied"} == {
        "17": ("quarantined", "division by zero (SQLSTATE 22012)"),
        "4999": ("quarantined", "division by zero (SQLSTATE 22012)"),
        "2500": (
            "quarantined",
            (
                'insert or update on table "journal" violates foreign key constraint'
                ' "journal_known_fkey" (SQLSTATE 23503)'
            ),
        ),
        "5001": ("skipped", "not eligible"),
    }
    assert run.outcomes("nobody") == {"3": ("failed", "unknown task type")}
    assert run.progress()["digest_matches"]
    assert service.database.value("select count(*) from person where hits = 1") == 4997
    service.check_ledger(service.events())
    service.stop_all()


def test_each_of_many_failing_rows_fails_alone(make_service, kafka):
    """Half of a batch fails, each row on its own."""
    service = make_service(kafka, people=400)
    service.database.execute("update person set trap = 'zero' where id % 2 = 0")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 401)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete, 40)
    assert (
        run.progress()["quarantined"] == 200
        and run.progress()["applied"] == 200
        and run.progress()["digest_matches"]
    )
    service.stop_all()


def bad_messages(run):
    """(value, what the dead letter says)."""
    good = run.task("bump", 1).bytes
    r = random.Random(3)
    other = Run(run.service, at=NOON + timedelta(days=400))
    day = other.service.database.value(
        "select day from rollcall.run where run_no = %s", (other.no,)
    )
    run.service.database.execute(f"drop table rollcall.outcome_{day:%Y%m%d}")
    odd = Run(run.service, job="other", settings='{"no_such": "1"}')
    nobody = run.task("bump", 4)._replace(run=uuid.UUID(int=5), id=uuid.UUID(int=6))
    return [
        (None, "no value"),
        (b"", "."),
        (b"{}", "."),
        (bytes(r.randrange(256) for _ in range(200)), "."),
        (good[:-1], "."),
        (good + b"x", "."),
        (good[:12], "."),
        (TASK_MARK + b"\xff" * 60, "."),
        (TASK_MARK + bytes(16) + b"\0" + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f" + b"a" * 20, "."),
        (OUTCOME_MARK + good[10:], "."),
        (LETTER_MARK + good[10:], "."),
        (b"\0\0\0\0\x07" + good[10:], "."),
        (run.task("bump", 1, task_id=uuid.UUID(int=9)).bytes, "the task id is not that"),
        (nobody.bytes, "no such run"),
        (run.task("bump", "").bytes, "no subject"),
        (run.task("club.bump\n", 1).bytes, "task type is not a name"),
        (
            adhoc("club.bump", 1, **{f"a{n}": "x" * 50_000 for n in range(3)}).bytes,
            "larger than 128 KiB",
        ),
        (adhoc("club.bump", 1, task_id=uuid.UUID(int=0)).bytes, "needs an id"),
        (other.task("bump", 1).bytes, "no partition for the run's day"),
        (odd.task("bump", 1).bytes, "no_such"),
        (run.task("bump", "1\0").bytes, "."),
        (b"\x01" + os.urandom(999_000), "its bytes are in rollcall.dead_letter"),
    ]


def test_dead_letters(make_service, broker):
    """What is no task of ours: a row and a message with topic, partition, offset, reason and the
    original bytes; the partition continues.
    """
    service = make_service(broker, people=300)
    run = Run(service)
    places, values = [], []
    tasks = run.plan([run.task("bump", n) for n in range(1, 301)])
    bad = bad_messages(run)
    for i, (value, reason) in enumerate(bad):
        service.send(tasks[i * 10 : i * 10 + 10])
        service.send_raw(value, b"key" if i % 2 else None, partition=i % 4, places=places)
        assert service.producer.flush(30) == 0
        values.append((value, b"key" if i % 2 else None, reason))
    service.send(tasks[len(bad) * 10 :])
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    service.wait(lambda: service.position() == 300 + len(bad))
    expected = dict(zip(places, values))
    rows = service.database.rows(
        "select p.topic, p.partition, d.src_offset, d.value, d.key, d.reason, d.at from"
        " rollcall.dead_letter d join rollcall.position p using (source_no)"
    )
    letters = {
        k: v
        for k, v in service.wait(
            lambda: (lambda x: len(x) == len(bad) and x)(service.letters())
        ).items()
    }
    assert {tuple(r[:3]) for r in rows} == set(expected) == set(letters)
    for topic, partition, offset, value, key, reason, at in rows:
        sent, sent_key, said = expected[(topic, partition, offset)]
        letter = letters[(topic, partition, offset)]
        assert value == sent and key == sent_key and letter["at"] == at
        if "its bytes are in" in said:
            assert (
                letter["value"] is None
                and said in letter["reason"]
                and letter["reason"].startswith(reason)
            )
            continue
        assert re.search(said, reason), (said, reason)
        assert letter["value"] == sent and letter["key"] == sent_key and letter["reason"] == reason
    assert run.progress()["digest_matches"]
    assert len({r["event_id"] for r in letters.values()}) == len(bad)
    assert len([1 for m in service.read("dead-letters")]) == len(bad)
    service.events()
    service.stop_all()


def test_texts_larger_than_a_message(make_service, kafka):
    service = make_service(kafka, people=3)
    service.database.execute("update person set trap = 'huge' where id = 2")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in (1, 2, 3)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    events = {e["subject"]: e for e in service.events().values()}
    assert events["2"]["after"] == "é" * 32768 and events["3"]["after"] == "1"
    assert (
        service.database.value("select length(after) from rollcall.outcome_all where subject = '2'")
        == 400000
    )
    service.stop_all()


def test_the_largest_arguments_are_kept_whole(make_service, kafka):
    """Of control characters, for each of which the ledger's JSON takes six."""
    service = make_service(kafka, people=1, retry='attempts = 1; version_wait = "0s";')
    service.send([adhoc("club.bump", 1, a="\x01" * 65_000, b="\x02" * 65_000)])
    service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from rollcall.outcome_adhoc where outcome = 2 and length(arguments"
                " ->> 'a') = 65000"
            )
            == 1
        )
    )
    service.stop_all()


def test_subjects_are_written_in_one_way(make_service, kafka):
    """ "07" is not 7 under another id."""
    service = make_service(kafka, people=9)
    run = Run(service)
    service.send(
        run.plan(
            [run.task("bump", s) for s in ("7", "07", "+7", " 7", "7x", "99999999999999999999")]
        )
    )
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    assert {s: o for s, (o, _) in run.outcomes().items()} == {
        "7": "applied",
        "07": "failed",
        "+7": "failed",
        " 7": "failed",
        "7x": "failed",
        "99999999999999999999": "failed",
    }
    assert (
        service.database.value("select hits from person where id = 7") == 1
        and run.progress()["digest_matches"]
    )
    service.stop_all()


def test_unknown_types_use_up_no_numbers(make_service, kafka):
    """A type's number is small: strangers must not be able to use them up."""
    service = make_service(kafka, batch_max=5)
    service.send([adhoc(f"strange.type-{n % 3}", n) for n in range(200)])
    service.database.execute(
        "insert into rollcall.task_type (name) select 'filler.' || n from generate_series(1,"
        " 9970) n"
    )
    service.start(lanes=["tasks"])
    service.wait(lambda: service.position() == 200)
    assert (
        service.database.value(
            "select count(*) from rollcall.outcome_named where type like 'strange.%' and reason ="
            " 'unknown task type'"
        )
        == 200
    )
    service.send([adhoc(f"stranger.type-{n}", n) for n in range(50)])
    service.wait(lambda: service.position() == 250)
    assert service.database.value("select count(*) from rollcall.task_type") == 10000
    assert service.database.value("select max(type_no) from rollcall.task_type") < 10100
    assert (
        service.database.value(
            "select count(*) from rollcall.dead_letter where reason = 'unknown task type'"
        )
        > 20
    )
    service.stop_all()


# ---- ad-hoc tasks, dry runs, cancelled runs ----
def test_ad_hoc_tasks_are_checked_and_take_effect_once(make_service, broker):
    """Arguments are typed and checked; an id takes effect once, whoever it is about; what was
    asked stays in the ledger.
    """
    service = make_service(broker, people=20)
    same, failing = uuid.uuid4(), uuid.uuid4()
    good = [
        adhoc("club.grant", 1, days="7"),
        adhoc("club.grant", 2, days="100", level="gold", until="2031-12-31"),
        adhoc("club.grant", 1, days="1"),
    ]
    bad = {"club.grant: not eligible": adhoc("club.grant", 99, days="7")}
    wrong = [
        (adhoc("club.grant", 3), "days"),
        (adhoc("club.grant", 3, days="0"), "days"),
        (adhoc("club.grant", 3, days="x"), "days"),
        (adhoc("club.grant", 3, days="1", level="silver"), "level"),
        (adhoc("club.grant", 3, days="1", until="2031-02-30"), "until"),
        (adhoc("club.grant", 3, days="1", colour="red"), 'no argument "colour"'),
        (adhoc("club.grant", 3, days="1", **{f"x{n}": "1" for n in range(30)}), "no argument"),
    ]
    twice = [adhoc("club.grant", n, task_id=same, days="5") for n in (5, 6, 5)]
    fail_twice = [adhoc("club.grant", n, task_id=failing, days="0") for n in (7, 8, 7)]
    service.send(good + list(bad.values()) + [t for t, _ in wrong] + twice + fail_twice, "urgent")
    service.start(lanes=["urgent"])
    total = len(good) + 1 + len(wrong) + 6
    service.wait(lambda: service.position("urgent") == total)
    service.send(twice + fail_twice, "urgent")
    service.wait(lambda: service.position("urgent") == total + 6)
    said = sorted(
        r[0] for r in service.database.rows("select said from journal where subject in (1, 2)")
    )
    assert said == [
        "101 gold 2032-01-01 cli:ana cli:ana",
        "2 basic 2030-01-03 cli:ana cli:ana",
        "8 basic 2030-01-03 cli:ana cli:ana",
    ]
    assert service.database.value("select count(*) from journal where subject in (5, 6)") == 1
    rows = {
        r[0]: r[1:]
        for r in service.database.rows(
            "select task_id, subject, outcome, reason, actor, arguments from rollcall.outcome_adhoc"
        )
    }
    assert len(rows) == len(good) + 1 + len(wrong) + 2
    for task, reason in wrong:
        assert (
            rows[task.id][1] == 2
            and reason in rows[task.id][2]
            and rows[task.id][4] == task.arguments
        )
    for task in good:
        assert rows[task.id] == (task.subject, 0, "", "cli:ana", task.arguments)
    assert rows[bad["club.grant: not eligible"].id][1:3] == (1, "not eligible")
    events = service.events()
    service.check_ledger(events)
    assert all(e["run_id"] is None and e["job"] == "" for e in events.values())
    service.stop_all()


@pytest.mark.parametrize("how", ["run", "message", "step", "adhoc"])
def test_dry_run_leaves_no_trace(make_service, kafka, how):
    """But its outcomes, marked as such; also of failing and repeated tasks, of mail, and without
    follow-ups.
    """
    service = make_service(kafka, people=50)
    service.database.execute("update person set trap = 'zero' where id = 13")
    types = ["bump"] if how == "step" else ["bump", "enrol"]
    run = Run(service, job="rehearsal" if how == "step" else "sweep", dry_run=how == "run")
    dry = how == "message"
    tasks = [run.task(t, n, dry_run=dry) for t in types for n in range(1, 52)]
    mails = [run.task("greet", n, dry_run=dry) for n in range(1, 11)] if how != "step" else []
    if how == "adhoc":
        tasks = [adhoc(t.type, t.subject, dry_run=True) for t in tasks]
        mails = [adhoc(t.type, t.subject, dry_run=True) for t in mails]
    else:
        run.plan(tasks + mails)
    service.send(tasks + tasks)
    service.send(mails, "mail")
    service.start()
    service.wait(
        lambda: service.position() == 2 * len(tasks) and service.position("mail") == len(mails)
    )
    assert (
        service.database.value("select count(*) from journal") == 0
        and service.database.value("select sum(hits) from person") == 0
    )
    counts = Counter(
        service.database.rows("select outcome, reason, dry_run from rollcall.outcome_named")
    )
    expected = {
        ("applied", "", True): 49 * len(types),
        ("failed", "division by zero (SQLSTATE 22012)", True): len(types),
        ("skipped", "not eligible", True): len(types),
    }
    if mails:
        expected[("applied", "would be done", True)] = 10
    assert counts == expected
    assert not service.mails()
    events = service.events()
    service.check_ledger(events)
    if how != "adhoc":
        assert (
            run.complete() and run.progress()["digest_matches"] and run.progress()["spawned"] == 0
        )
    service.stop_all()


def test_a_cancelled_run_is_skipped(make_service, broker):
    service = make_service(broker, people=100)
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 101)])
    service.start(lanes=["tasks"])
    service.send(tasks[:10])
    service.wait(lambda: service.position() == 10)
    service.database.execute("update rollcall.run set state = 'cancelled'")
    end = time.monotonic() + 0.6  # a worker looks again after half a second
    service.wait(lambda: time.monotonic() > end)
    service.send(tasks[10:])
    service.wait(run.complete)
    assert Counter(run.outcomes().values()) == {
        ("applied", ""): 10,
        ("skipped", "run cancelled"): 90,
    }
    assert (
        run.progress()["digest_matches"]
        and service.database.value("select sum(hits) from person") == 10
    )
    service.stop_all()


def test_settings_of_job_and_run(make_service, kafka):
    service = make_service(kafka, people=2)
    by_job, by_run = (
        Run(service, job="other"),
        Run(service, job="other", at=NOON + timedelta(hours=1), settings='{"step": "5"}'),
    )
    service.send([by_job.task("bump", 1), by_run.task("bump", 2)])
    service.start(lanes=["tasks"])
    service.wait(lambda: service.position() == 2)
    assert service.database.rows("select id, hits from person order by 1") == [(1, 3), (2, 5)]
    service.stop_all()

"""The worker on real parts: PostgreSQL, a real Kafka node and the embedded broker, a Maildir and an SMTP server. The test is the scheduler."""
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path

import pytest

from harness.postgres import Database, Postgres
from harness.process import free_port
from worker_pack import LETTER_MARK, NOON, OUTCOME_MARK, TASK_MARK, Rig, Run, adhoc


@pytest.fixture
def rig(tmp_path, unique, database):
    made = []

    def make(broker, db=None, **options):
        made.append(Rig(broker, db or database, tmp_path, unique("w"), **options))
        return made[-1]
    yield make
    for r in made:
        r.close()


@pytest.fixture
def sink(tmp_path):
    started = []

    def start(port=0):
        folder = tmp_path / f"sink{len(started)}"
        child = subprocess.Popen([sys.executable, str(Path(__file__).parent / "smtp_sink.py"), str(folder), "--port", str(port)],
                                 stdout=subprocess.PIPE, text=True)
        child.folder = folder
        child.port = int(child.stdout.readline().split()[1])
        started.append(child)
        return child
    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdout.close()


def through(rig, port):
    rig.mail = f'transport = "smtp"; url = "smtp://127.0.0.1:{port}"; tls = "none";'


# ---- the main way ---------------------------------------------------------------------------------------------------------------------------


def test_each_task_once(rig, broker):
    """10,000 tasks in 4 partitions for 2 workers: each takes effect once, has one outcome, one event."""
    rig = rig(broker, people=10000)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 10001)])
    rig.send(tasks)
    rig.start(lanes=["tasks"])
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    assert rig.database.rows("select hits, count(*) from person group by 1") == [(1, 10000)]
    assert rig.journal() == Counter({(n, "bump", str(run.id)): 1 for n in range(1, 10001)})
    assert set(run.outcomes().values()) == {("applied", "")}
    assert run.progress() == {"planned": 10000, "applied": 10000, "skipped": 0, "failed": 0, "quarantined": 0, "unknown": 0, "spawned": 0, "done": 10000,
                              "digest_matches": True}
    events = rig.events(repeats=True)
    assert {e["task_id"] for e in events.values()} == {t.id for t in tasks}
    one = next(e for e in events.values() if e["subject"] == "77")
    assert (one["pack"], one["job"], one["type"], one["actor"], one["before"], one["after"]) == ("club", "sweep", "club.bump", "cli:bob", "0", "1")
    rig.check_ledger(events)
    rig.stop_all()
    assert rig.acknowledged()


def test_repeated_tasks_take_effect_once(rig, broker):
    """Twice in one batch, from a second scheduler, and again after the end; with another item it is another task."""
    rig = rig(broker, people=500)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n, item) for n in range(1, 501) for item in ("", "b")])
    rig.send(tasks + tasks)
    rig.start(lanes=["tasks"])
    rig.send(tasks)
    rig.wait(run.complete)
    rig.send(tasks[:100] + tasks[:100])
    rig.wait(lambda: rig.position() == 3200)
    assert set(rig.journal().values()) == {2} and rig.database.value("select count(*) from journal") == 1000
    assert run.progress()["done"] == 1000 and run.progress()["digest_matches"]
    rig.check_ledger(rig.events())
    rig.stop_all()
    assert rig.database.value("select min(published) from rollcall.position where next > 0") > 0


def test_order_of_one_subject(rig, kafka):
    """Tasks of several types about the same people, in one batch and over many: each person's in the order of the topic."""
    rig = rig(kafka, people=50, batch_max=700)
    run = Run(rig)
    order = random.Random(5)
    tasks = [run.task(order.choice(["bump", "gate", "enrol"]), n, f"{k:03}") for k in range(60) for n in order.sample(range(1, 51), 50)]
    rig.send(run.plan(tasks))
    rig.start(lanes=["tasks"])
    rig.wait(lambda: rig.position() == len(tasks))
    seen = defaultdict(list)
    for subject, item in rig.database.rows("select subject, item from journal order by n"):
        seen[subject].append(item)
    assert all(items == sorted(items) and len(items) == 60 for items in seen.values()) and len(seen) == 50
    rig.stop_all()


# ---- what fails, and what is refused --------------------------------------------------------------------------------------------------------


def test_failing_rows_stand_alone(rig, broker):
    """Three that fail among 5,000, by a data error and by constraints that are checked late: the others are applied."""
    rig = rig(broker, people=5000)
    for subject, trap in ((17, "zero"), (2500, "deferred"), (4999, "zero")):
        rig.database.execute("update person set trap = %s where id = %s", (trap, subject))
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 5001)] + [run.task("nobody", 3), run.task("bump", 5001)])
    rig.send(tasks)
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    outcomes = run.outcomes("bump")
    assert {s: o for s, o in outcomes.items() if o[0] != "applied"} == {
        "17": ("quarantined", "division by zero (SQLSTATE 22012)"), "4999": ("quarantined", "division by zero (SQLSTATE 22012)"),
        "2500": ("quarantined", 'insert or update on table "journal" violates foreign key constraint "journal_known_fkey" (SQLSTATE 23503)'),
        "5001": ("skipped", "not eligible")}
    assert run.outcomes("nobody") == {"3": ("failed", "unknown task type")}
    assert run.progress()["digest_matches"]
    assert rig.database.value("select count(*) from person where hits = 1") == 4997
    rig.check_ledger(rig.events())
    rig.stop_all()


def test_many_failing_rows(rig, kafka):
    """Half of a batch fails, each row on its own."""
    rig = rig(kafka, people=400)
    rig.database.execute("update person set trap = 'zero' where id % 2 = 0")
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in range(1, 401)]))
    rig.start(lanes=["tasks"])
    rig.wait(run.complete, 40)
    assert run.progress()["quarantined"] == 200 and run.progress()["applied"] == 200 and run.progress()["digest_matches"]
    rig.stop_all()


def bad_messages(run):
    """(value, what the dead letter says)."""
    good = run.task("bump", 1).bytes
    r = random.Random(3)
    other = Run(run.rig, at=NOON + timedelta(days=400))
    run.rig.database.execute(f"drop table rollcall.outcome_{other.rig.database.value('select day from rollcall.run where run_no = %s', (other.no,)):%Y%m%d}")
    odd = Run(run.rig, job="other", settings='{"no_such": "1"}')
    nobody = run.task("bump", 4)._replace(run=uuid.UUID(int=5), id=uuid.UUID(int=6))
    return [
        (None, "no value"), (b"", "."), (b"{}", "."), (bytes(r.randrange(256) for _ in range(200)), "."), (good[:-1], "."), (good + b"x", "."), (good[:12], "."),
        (TASK_MARK + b"\xff" * 60, "."), (TASK_MARK + bytes(16) + b"\0" + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f" + b"a" * 20, "."), (OUTCOME_MARK + good[10:], "."),
        (LETTER_MARK + good[10:], "."), (b"\0\0\0\0\x07" + good[10:], "."),
        (run.task("bump", 1, task_id=uuid.UUID(int=9)).bytes, "the task id is not that"), (nobody.bytes, "no such run"),
        (run.task("bump", "").bytes, "no subject"), (run.task("club.bump\n", 1).bytes, "task type is not a name"),
        (adhoc("club.bump", 1, task_id=uuid.UUID(int=0)).bytes, "needs an id"), (other.task("bump", 1).bytes, "no partition for the run's day"),
        (odd.task("bump", 1).bytes, "no_such"), (run.task("bump", "1\0").bytes, "."),
        (b"\x01" + os.urandom(999_000), "too large for this topic"),
    ]


def test_dead_letters(rig, broker):
    """What is no task of ours: a row and a message with topic, partition, offset, reason and the original bytes; the partition goes on."""
    rig = rig(broker, people=300)
    run = Run(rig)
    places, values = [], []
    tasks = run.plan([run.task("bump", n) for n in range(1, 301)])
    bad = bad_messages(run)
    for i, (value, reason) in enumerate(bad):
        rig.send(tasks[i * 10:i * 10 + 10])
        rig.send_raw(value, b"key" if i % 2 else None, partition=i % 4, places=places)
        assert rig.producer.flush(30) == 0
        values.append((value, b"key" if i % 2 else None, reason))
    rig.send(tasks[len(bad) * 10:])
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    rig.wait(lambda: rig.position() == 300 + len(bad))
    expected = dict(zip(places, values))
    rows = rig.database.rows("select p.topic, p.partition, d.src_offset, d.value, d.key, d.reason, d.at from rollcall.dead_letter d join rollcall.position p using (source_no)")
    letters = {k: v for k, v in rig.wait(lambda: (lambda x: len(x) == len(bad) and x)(rig.letters())).items()}
    assert {tuple(r[:3]) for r in rows} == set(expected) == set(letters)
    for topic, partition, offset, value, key, reason, at in rows:
        sent, sent_key, said = expected[(topic, partition, offset)]
        letter = letters[(topic, partition, offset)]
        assert value == sent and key == sent_key and letter["at"] == at
        if said.startswith("too large"):
            assert letter["value"] is None and said in letter["reason"] and letter["reason"].startswith(reason)
            continue
        assert re.search(said, reason), (said, reason)
        assert letter["value"] == sent and letter["key"] == sent_key and letter["reason"] == reason
    assert run.progress()["digest_matches"]
    assert len({r["event_id"] for r in letters.values()}) == len(bad)
    assert len([1 for m in rig.read("dead-letters")]) == len(bad)
    rig.events()
    rig.stop_all()


def test_texts_larger_than_a_message(rig, kafka):
    rig = rig(kafka, people=3)
    rig.database.execute("update person set trap = 'huge' where id = 2")
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in (1, 2, 3)]))
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    events = {e["subject"]: e for e in rig.events().values()}
    assert events["2"]["after"] == "é" * 32768 and events["3"]["after"] == "1"
    assert rig.database.value("select length(after) from rollcall.outcome where subject = '2'") == 400000
    rig.stop_all()


def test_subjects_are_written_in_one_way(rig, kafka):
    """"07" is not 7 under another id."""
    rig = rig(kafka, people=9)
    run = Run(rig)
    rig.send(run.plan([run.task("bump", s) for s in ("7", "07", "+7", " 7", "7x", "99999999999999999999")]))
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    assert {s: o for s, (o, _) in run.outcomes().items()} == {"7": "applied", "07": "failed", "+7": "failed", " 7": "failed", "7x": "failed",
                                                              "99999999999999999999": "failed"}
    assert rig.database.value("select hits from person where id = 7") == 1 and run.progress()["digest_matches"]
    rig.stop_all()


def test_unknown_types_use_up_no_numbers(rig, kafka):
    """A type's number is small: strangers must not be able to use them up."""
    rig = rig(kafka, batch_max=5)
    rig.send([adhoc(f"strange.type-{n % 3}", n) for n in range(200)])
    rig.database.execute("insert into rollcall.task_type (name) select 'filler.' || n from generate_series(1, 9970) n")
    rig.start(lanes=["tasks"])
    rig.wait(lambda: rig.position() == 200)
    assert rig.database.value("select count(*) from rollcall.outcome_named where type like 'strange.%' and reason = 'unknown task type'") == 200
    rig.send([adhoc(f"stranger.type-{n}", n) for n in range(50)])
    rig.wait(lambda: rig.position() == 250)
    assert rig.database.value("select count(*) from rollcall.task_type") == 10000
    assert rig.database.value("select max(type_no) from rollcall.task_type") < 10100
    assert rig.database.value("select count(*) from rollcall.dead_letter where reason = 'unknown task type'") > 20
    rig.stop_all()


# ---- ad-hoc tasks, dry runs, cancelled runs -------------------------------------------------------------------------------------------------


def test_adhoc_tasks(rig, broker):
    """Arguments are typed and checked; an id takes effect once, whoever it is about; what was asked stays in the ledger."""
    rig = rig(broker, people=20)
    same, failing = uuid.uuid4(), uuid.uuid4()
    good = [adhoc("club.grant", 1, days="7"), adhoc("club.grant", 2, days="100", level="gold", until="2031-12-31"), adhoc("club.grant", 1, days="1")]
    bad = {"club.grant: not eligible": adhoc("club.grant", 99, days="7")}
    wrong = [(adhoc("club.grant", 3), "days"), (adhoc("club.grant", 3, days="0"), "days"), (adhoc("club.grant", 3, days="x"), "days"),
             (adhoc("club.grant", 3, days="1", level="silver"), "level"), (adhoc("club.grant", 3, days="1", until="2031-02-30"), "until"),
             (adhoc("club.grant", 3, days="1", colour="red"), 'no argument "colour"'),
             (adhoc("club.grant", 3, days="1", **{f"x{n}": "1" for n in range(30)}), "no argument")]
    twice = [adhoc("club.grant", n, task_id=same, days="5") for n in (5, 6, 5)]
    fail_twice = [adhoc("club.grant", n, task_id=failing, days="0") for n in (7, 8, 7)]
    rig.send(good + list(bad.values()) + [t for t, _ in wrong] + twice + fail_twice, "urgent")
    rig.start(lanes=["urgent"])
    total = len(good) + 1 + len(wrong) + 6
    rig.wait(lambda: rig.position("urgent") == total)
    rig.send(twice + fail_twice, "urgent")
    rig.wait(lambda: rig.position("urgent") == total + 6)
    said = sorted(r[0] for r in rig.database.rows("select said from journal where subject in (1, 2)"))
    assert said == ["101 gold 2032-01-01 cli:ana ", "2 basic 2030-01-03 cli:ana ", "8 basic 2030-01-03 cli:ana "]
    assert rig.database.value("select count(*) from journal where subject in (5, 6)") == 1
    rows = {r[0]: r[1:] for r in rig.database.rows("select task_id, subject, outcome, reason, actor, arguments from rollcall.outcome_adhoc")}
    assert len(rows) == len(good) + 1 + len(wrong) + 2
    for task, reason in wrong:
        assert rows[task.id][1] == 2 and reason in rows[task.id][2] and rows[task.id][4] == task.arguments
    for task in good:
        assert rows[task.id] == (task.subject, 0, "", "cli:ana", task.arguments)
    assert rows[bad["club.grant: not eligible"].id][1:3] == (1, "not eligible")
    events = rig.events()
    rig.check_ledger(events)
    assert all(e["run_id"] is None and e["job"] == "" for e in events.values())
    rig.stop_all()


@pytest.mark.parametrize("how", ["run", "message", "step", "adhoc"])
def test_dry_run_leaves_no_trace(rig, kafka, how):
    """But its outcomes, marked as such; also of failing and repeated tasks, of mail, and without follow-ups."""
    rig = rig(kafka, people=50)
    rig.database.execute("update person set trap = 'zero' where id = 13")
    types = ["bump"] if how == "step" else ["bump", "enrol"]
    run = Run(rig, job="rehearsal" if how == "step" else "sweep", dry_run=how == "run")
    dry = how == "message"
    tasks = [run.task(t, n, dry_run=dry) for t in types for n in range(1, 52)]
    mails = [run.task("greet", n, dry_run=dry) for n in range(1, 11)] if how != "step" else []
    if how == "adhoc":
        tasks = [adhoc(t.type, t.subject, dry_run=True) for t in tasks]
        mails = [adhoc(t.type, t.subject, dry_run=True) for t in mails]
    else:
        run.plan(tasks + mails)
    rig.send(tasks + tasks)
    rig.send(mails, "mail")
    rig.start()
    rig.wait(lambda: rig.position() == 2 * len(tasks) and rig.position("mail") == len(mails))
    assert rig.database.value("select count(*) from journal") == 0 and rig.database.value("select sum(hits) from person") == 0
    counts = Counter(rig.database.rows("select outcome, reason, dry_run from rollcall.outcome_named"))
    expected = {("applied", "", True): 49 * len(types), ("failed", "division by zero (SQLSTATE 22012)", True): len(types), ("skipped", "not eligible", True): len(types)}
    if mails:
        expected[("applied", "would be done", True)] = 10
    assert counts == expected
    assert not rig.mails()
    events = rig.events()
    rig.check_ledger(events)
    if how != "adhoc":
        assert run.complete() and run.progress()["digest_matches"] and run.progress()["spawned"] == 0
    rig.stop_all()


def test_a_cancelled_run_is_skipped(rig, broker):
    rig = rig(broker, people=100)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 101)])
    rig.start(lanes=["tasks"])
    rig.send(tasks[:10])
    rig.wait(lambda: rig.position() == 10)
    rig.database.execute("update rollcall.run set state = 'cancelled'")
    end = time.monotonic() + 0.6  # a worker looks again after half a second
    rig.wait(lambda: time.monotonic() > end)
    rig.send(tasks[10:])
    rig.wait(run.complete)
    assert Counter(run.outcomes().values()) == {("applied", ""): 10, ("skipped", "run cancelled"): 90}
    assert run.progress()["digest_matches"] and rig.database.value("select sum(hits) from person") == 10
    rig.stop_all()


def test_settings_of_job_and_run(rig, kafka):
    rig = rig(kafka, people=2)
    by_job, by_run = Run(rig, job="other"), Run(rig, job="other", at=NOON + timedelta(hours=1), settings='{"step": "5"}')
    rig.send([by_job.task("bump", 1), by_run.task("bump", 2)])
    rig.start(lanes=["tasks"])
    rig.wait(lambda: rig.position() == 2)
    assert rig.database.rows("select id, hits from person order by 1") == [(1, 3), (2, 5)]
    rig.stop_all()


# ---- follow-ups and actions -----------------------------------------------------------------------------------------------------------------


def test_follow_ups(rig, broker):
    """Published and counted: those that the statement names, or else all that the type declares; also those of a mail, once it has gone."""
    rig = rig(broker, people=60)
    rig.database.execute("update person set active = false where id > 50")
    run = Run(rig)
    rig.send(run.plan([run.task("enrol", n, "x") for n in range(1, 61)] + [run.task("choose", n) for n in range(1, 11)]))
    rig.start()
    rig.wait(run.complete)
    assert run.progress() == {"planned": 70 + 155, "applied": 60 + 155, "skipped": 10, "failed": 0, "quarantined": 0, "unknown": 0, "spawned": 100 + 5 + 50, "done": 225,
                              "digest_matches": True}
    counts = rig.database.rows("select type, count(*) from rollcall.outcome_named group by 1")
    assert dict(counts) == {"club.enrol": 60, "club.choose": 10, "club.welcome": 55, "club.greet": 50, "club.thanks": 50}
    assert {m.to for m in rig.mails()} == {f"p{n}@example.org" for n in range(1, 51)}
    assert rig.database.value("select count(*) from journal where type = 'bump'") == 50 + 55 + 50
    rig.check_ledger(rig.events())
    follow = [r for _, _, _, kind, r in rig.read("urgent")]
    assert {(t["actor"], t["scheduled_at"], t["run_id"]) for t in follow} == {("cli:bob", NOON, run.id)}
    rig.stop_all()


def test_mail_into_a_maildir(rig, broker):
    rig = rig(broker, people=6)
    rig.database.execute("update person set email = case id when 2 then 'none' when 3 then 'not an address' when 4 then '' else email end, active = id <> 5, "
                         "trap = case id when 6 then 'record' else '' end, note = case id when 1 then 'Linha 1: ção' end")
    run = Run(rig)
    tasks = run.plan([run.task("greet", n, "i") for n in range(1, 8)])
    rig.send(tasks + tasks, "mail")
    rig.send_raw(b"junk", lane="mail", partition=0)
    rig.send_raw(b"junk", lane="mail", partition=1)
    assert rig.producer.flush(30) == 0
    rig.start(lanes=["mail", "tasks"])
    rig.wait(run.complete)
    outcomes = run.outcomes("greet")
    assert outcomes["1"] == ("applied", "") and outcomes["2"] == ("failed", "has no mail") and outcomes["4"] == ("failed", "no mail address")
    assert outcomes["5"] == ("skipped", "is away") and outcomes["7"] == ("skipped", "not eligible")
    assert outcomes["3"][0] == "failed" and "address" in outcomes["3"][1]
    assert outcomes["6"][0] == "applied" and re.match(r"sent, but not recorded: .*\(SQLSTATE 23502\)", outcomes["6"][1])
    mails = {m.to: m for m in rig.mails()}
    assert set(mails) == {"p1@example.org", "p6@example.org"} and len(rig.mails()) == 2
    m = mails["p1@example.org"]
    assert m.id == f"<{tasks[0].id}@mail.example.org>" and m.subject == "Olá Zé <1>" and "Linha 1: ção" in m.text and "Zé &lt;1&gt;" in m.html
    assert rig.database.rows("select subject, item from sent") == [(1, "i")]
    assert run.progress()["digest_matches"] and run.progress()["spawned"] == 2
    rig.check_ledger(rig.events())
    assert len(rig.read("dead-letters")) == 2
    rig.stop_all()


def test_mail_over_smtp(rig, kafka, sink):
    """Refused: failed at once. Deferred: tried three times, then quarantined. A lost answer: sent again with the same Message-ID, or held."""
    rig, server = rig(kafka, people=9), sink()
    through(rig, server.port)
    for n, local in enumerate(["refuse550", "defer451", "data550", "data451", "drop", "dropkept"], start=2):
        rig.database.execute("update person set email = %s where id = %s", (f"{local}@example.org", n))
    run = Run(rig)
    tasks = run.plan([run.task("greet", n) for n in range(1, 10)] + [run.task("careful", n) for n in (1, 6, 7)])
    rig.send(tasks, "mail")
    rig.start(lanes=["mail", "tasks"])
    rig.wait(run.complete)
    assert {s: o for s, (o, _) in run.outcomes("greet").items()} == {
        "1": "applied", "2": "failed", "3": "quarantined", "4": "failed", "5": "quarantined", "6": "unknown", "7": "unknown", "8": "applied", "9": "applied"}
    assert {s: o for s, (o, _) in run.outcomes("careful").items()} == {"1": "applied", "6": "unknown", "7": "unknown"}
    attempts = dict(rig.database.rows("select subject || t.name, attempt from rollcall.outcome join rollcall.task_type t using (type_no) where t.name <> 'club.thanks'"))
    assert [attempts[f"{n}club.greet"] for n in range(1, 10)] == [1, 1, 3, 1, 3, 3, 3, 1, 1]
    assert [attempts[f"{n}club.careful"] for n in (1, 6, 7)] == [1, 1, 1]
    reasons = {s: r for s, (_, r) in run.outcomes("greet").items()}
    assert "550" in reasons["2"] and "451" in reasons["3"] and "lost" in reasons["6"] and "held for review" in run.outcomes("careful")["7"][1]
    ids = Counter(m.id for m in rig.mails(server.folder))
    by_task = {f"<{t.id}@mail.example.org>": n for t, n in zip(tasks, [1, 0, 0, 0, 0, 0, 3, 1, 1, 1, 0, 1])}
    assert ids == +Counter(by_task)
    assert sorted(r[0] for r in rig.database.rows("select subject from sent")) == [1, 1, 8, 9]
    assert run.progress()["digest_matches"]
    rig.check_ledger(rig.events())
    rig.stop_all()


class Closed:
    """A port that takes connections and hangs up at once."""

    def __init__(self):
        import socket
        import threading
        self.socket = socket.create_server(("127.0.0.1", free_port()))  # not one that a client may take when it is free again
        self.port, self.count = self.socket.getsockname()[1], 0
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                self.socket.accept()[0].close()
                self.count += 1
            except OSError:
                return

    def close(self):
        import socket
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def test_relay_away(rig, broker, sink):
    """Waited for and said once; a rebalance and a drain are not held up meanwhile, and each mail goes out once."""
    rig, away = rig(broker, people=40, session="2s"), Closed()
    through(rig, away.port)
    run = Run(rig)
    tasks = run.plan([run.task("greet", n) for n in range(1, 41)])
    rig.send(tasks[:20], "mail")
    first = rig.start(lanes=["mail", "tasks"])
    rig.wait_log(first, "mail relay away")
    tried = away.count
    rig.wait(lambda: away.count > tried + 12)
    second = rig.start(lanes=["mail", "tasks"])
    rig.wait_log(second, 'partitions assigned" lane=mail')
    rig.wait_log(second, "mail relay away")
    start = time.monotonic()
    assert rig.stop(first) == 0 and time.monotonic() - start < 12, rig.logs()  # a drain may take 25 s
    rig.send(tasks[20:], "mail")
    third = rig.start(lanes=["mail", "tasks"])
    rig.wait_log(third, "mail relay away")
    away.close()
    server = sink(away.port)
    rig.wait(run.complete)
    ids = Counter(m.id for m in rig.mails(server.folder))
    assert ids == Counter({f"<{t.id}@mail.example.org>": 1 for t in tasks})
    for worker in (first, second, third):
        assert worker.text().count("mail relay away") == 1, worker.text()
    assert "mail relay is back" in second.text() + third.text()
    assert run.progress()["digest_matches"] and run.progress()["applied"] == 80
    rig.events(repeats=True)
    rig.stop_all()


def test_killed_while_a_mail_is_out(rig, kafka, sink):
    """Whether it arrived is not known: it is sent again under the same Message-ID, or held for review."""
    rig, server = rig(kafka, people=3, session="2s"), sink()
    through(rig, server.port)
    rig.database.execute("update person set email = 'slow@example.org' where id = 2")
    rig.database.execute("update person set email = 'hang@example.org' where id = 3")
    run = Run(rig)
    tasks = run.plan([run.task("greet", 1), run.task("careful", 3), run.task("greet", 2)])
    for t in tasks:
        rig.send_raw(t.bytes, t.subject.encode(), "mail", partition=0)
    assert rig.producer.flush(30) == 0
    first = rig.start(lanes=["mail", "tasks"])
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.outcome where outcome = -1") == 3 and len(rig.mails(server.folder)) >= 1)
    rig.kill(first)
    before = Counter(m.id for m in rig.mails(server.folder))
    second = rig.start(lanes=["mail", "tasks"])
    rig.wait(run.complete)
    assert "settling intents of an earlier owner" in second.text()
    assert run.outcomes("careful") == {"3": ("unknown", "the server's answer was lost; held for review")}
    assert set(run.outcomes("greet").values()) == {("applied", "")}
    after = Counter(m.id for m in rig.mails(server.folder))
    assert set(after) == {f"<{t.id}@mail.example.org>" for t in tasks if t.type == "club.greet"} and sum(after.values()) <= sum(before.values()) + 2
    assert {r[0] for r in rig.database.rows("select attempt from rollcall.outcome where reason <> '' or subject = '1' and follow_ups is not null")} == {2}
    assert run.progress()["digest_matches"]
    rig.check_ledger(rig.events(repeats=True))
    rig.stop_all()


class Hook:
    """An HTTP server; who=N answers with answers[N], one after another, the last one for ever."""

    def __init__(self, answers):
        import http.server
        import threading
        seen = self.seen = Counter()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                who = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["who"]
                status = answers[who][min(seen[who], len(answers[who]) - 1)]
                seen[who] += 1
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook?key=secret"


def test_webhooks(rig, kafka):
    rig, hook = rig(kafka, people=4), Hook({1: [200], 2: [404], 3: [500], 4: [503, 204]})
    (rig.folder / "club/hook.url").write_text(hook.url + "\n")
    run = Run(rig)
    rig.send(run.plan([run.task("call", n) for n in range(1, 5)]), "mail")
    worker = rig.start(lanes=["mail"])
    rig.wait(run.complete)
    hook.server.shutdown()
    assert {s: o for s, (o, _) in run.outcomes().items()} == {"1": "applied", "2": "failed", "3": "quarantined", "4": "applied"}
    assert hook.seen == {1: 1, 2: 1, 3: 3, 4: 2}
    assert "404" in run.outcomes()["2"][1] and "secret" not in worker.text() + str(run.outcomes())
    rig.check_ledger(rig.events())
    rig.stop_all()


def test_reports_and_files(rig, broker):
    rig = rig(broker, people=3)
    rig.database.execute("update person set trap = 'x,y' where id = 3")
    logs = rig.folder / "reports/logs"
    logs.mkdir()
    for name, days in (("old.log", 3), ("new.log", 1), ("old.txt", 3), ("ancient.gz", 9)):
        (logs / name).write_text(name * 100)
        at = (NOON - timedelta(days=days)).timestamp()
        os.utime(logs / name, (at, at))
    run = Run(rig)
    worker = rig.start(lanes=["jobs"])
    rig.send(run.plan([run.task(t, run.id) for t in ("pack-logs", "census", "drop-logs")]), "jobs")
    rig.send_raw(b"junk", lane="jobs")
    rig.wait(run.complete)
    outcomes = {r[0]: r[1:] for r in rig.database.rows("select type, outcome, reason from rollcall.outcome_named")}
    assert outcomes["club.pack-logs"] == ("applied", "1 files compressed")
    assert outcomes["club.drop-logs"][0] == "applied" and re.match("[12] files deleted", outcomes["club.drop-logs"][1])
    path = rig.folder / "reports/census_20260504_09.csv"  # noon is nine in São Paulo
    assert outcomes["club.census"] == ("applied", f"written: {path}")
    assert '"x,y",1' in path.read_text()
    assert {p.name for p in logs.iterdir()} - {"old.log.gz"} == {"new.log", "old.txt"}
    if (logs / "old.log.gz").exists():
        assert gzip.decompress((logs / "old.log.gz").read_bytes()) == b"old.log" * 100
    rig.check_ledger(rig.events())
    rig.stop_all()
    assert worker.child.returncode == 0


# ---- crashes and absences -------------------------------------------------------------------------------------------------------------------


def steady(rig, run, count, types=("bump", "enrol")):
    tasks = run.plan([run.task(t, n) for n in range(1, count + 1) for t in types])
    rig.send(tasks)
    return tasks


def exactly_once(rig, run, count):
    """After whatever happened: every task of `steady`, and what it caused, has one effect, one outcome, one event."""
    assert run.progress()["digest_matches"] and run.progress()["failed"] == 0
    assert run.progress()["applied"] == count * 5  # bump, enrol, its welcome, its greet, whose thanks
    assert rig.database.rows("select hits, count(*) from person group by 1") == [(4, count)]
    assert rig.journal() == Counter({(n, "bump", str(run.id)): 4 for n in range(1, count + 1)})
    assert rig.database.rows("select count(*), count(distinct subject) from sent") == [(count, count)]
    rig.check_ledger(rig.events(repeats=True))
    follow = Counter(r["task_id"] for lane in ("urgent", "mail") for _, _, _, _, r in rig.read(lane))
    assert len(follow) == 2 * count


def test_killed_workers(rig, broker):
    """kill -9 of busy workers, again and again, with others taking over."""
    rig = rig(broker, people=2500, batch_max=100, session="2s")
    run = Run(rig)
    steady(rig, run, 2500)
    r = random.Random(11)
    workers = [rig.start(), rig.start()]
    for _ in range(4):
        goal = min(run.progress()["done"] + r.randrange(300, 2500), 12000)
        rig.wait(lambda: run.progress()["done"] >= goal)
        victim = workers.pop(r.randrange(2))
        rig.kill(victim)
        workers.append(rig.start())
    rig.wait(run.complete, 90)
    exactly_once(rig, run, 2500)
    rig.stop_all()


def test_database_goes_away(rig, kafka, tmp_path):
    """Backends terminated, the server stopped and crashed, in the middle: said, waited for, and nothing is lost or done twice."""
    server = Postgres(fsync=True)
    try:
        rig = rig(kafka, db=Database(server, "away"), people=3000, batch_max=200, session="2s")
        run = Run(rig)
        steady(rig, run, 3000)
        worker = rig.start()
        for round_number in range(5):
            goal = run.progress()["done"] + 1000
            rig.wait(lambda: run.progress()["done"] >= goal)
            if round_number in (0, 1, 3):
                rig.database.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'rollcall-worker%'")
            else:
                rig.database.db.close()
                server.restart(crash=round_number == 4)
                rig.database.db = server.connect("away")
        rig.wait(run.complete)
        exactly_once(rig, run, 3000)
        assert 2 <= worker.text().count('msg="waiting"') <= 60
        rig.stop_all()
        rig.database.db.close()
    finally:
        server.close()


def test_broker_restarts(rig, kafka):
    rig = rig(kafka, people=3000, batch_max=100, session="2s")
    run = Run(rig)
    steady(rig, run, 3000)
    worker = rig.start()
    for crash in (False, True):
        goal = run.progress()["done"] + 1500
        rig.wait(lambda: run.progress()["done"] >= goal)
        kafka.restart(crash=crash)
    rig.wait(run.complete, 90)
    exactly_once(rig, run, 3000)
    assert worker.text().count('msg="waiting"') <= 32  # four lanes, two outages, some kinds of trouble each: said once per change, not once per try
    rig.stop_all()


def test_another_broker(rig, embedded):
    """The embedded broker's end takes its messages along; another one does not inherit positions, and the run, published again, is completed."""
    rig = rig(embedded, people=2000, batch_max=100)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 2001)])
    worker = rig.start(lanes=["tasks"])
    rig.send(tasks[:1000])
    rig.wait(lambda: run.progress()["done"] >= 500)
    embedded.stop(signal.SIGKILL)
    rig.wait_log(worker, 'msg="waiting"')
    embedded.file.unlink()
    embedded.start()
    rig.write()
    rig._producer = None
    rig.rollcall("topics", "apply")
    rig.send(tasks)
    rig.wait(run.complete)
    assert rig.database.rows("select hits, count(*) from person group by 1") == [(1, 2000)] and run.progress()["digest_matches"]
    assert rig.database.value("select count(distinct cluster) from rollcall.position where topic = %s", (rig.topic(),)) == 2
    assert rig.stop(worker) == 0
    rig.stop_all()


def test_frozen_while_messages_are_deleted(rig, kafka):
    """What it had fetched already it takes; what is missing is said, and the position put right."""
    rig = rig(kafka, people=100, partitions=1, config='lost_log = "repair";')
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 101)])
    rig.send(tasks[:60])
    worker = rig.start(lanes=["tasks"])
    rig.wait(lambda: rig.position() == 60)
    worker.send_signal(signal.SIGSTOP)
    rig.send(tasks[60:])
    kafka.delete_records(rig.topic(), 0, 80)
    worker.send_signal(signal.SIGCONT)
    rig.wait(lambda: rig.position() == 100)
    taken = run.progress()["done"]
    assert taken == 100 or (taken == 80 and "begins at offset 80, above the position 60: 20 messages" in worker.text()), rig.logs()
    rig.send(tasks)
    rig.wait(run.complete)
    rig.stop_all()


# ---- fencing --------------------------------------------------------------------------------------------------------------------------------


def test_a_statement_longer_than_the_poll_interval(rig, kafka):
    """The group is served meanwhile: the membership is kept, another worker may join, and takes its share when the transaction has ended."""
    rig = rig(kafka, people=200, session="3s", partitions=2, config='properties = [ "max.poll.interval.ms=11000" ];')
    run = Run(rig)
    tasks = run.plan([run.task("gate", n) for n in range(1, 201)])
    with rig.database.connect() as gate:
        gate.execute("select pg_advisory_lock(77)")
        first = rig.start(lanes=["tasks"])
        rig.send(tasks[:100])
        rig.wait(lambda: rig.database.value("select count(*) from pg_stat_activity where wait_event = 'advisory'") == 1)
        time.sleep(3)
        second = rig.start(lanes=["tasks"])
        time.sleep(24)
        assert "MAXPOLL" not in first.text() and "lost=true" not in first.text()
        gate.execute("select pg_advisory_unlock(77)")
    rig.wait(lambda: run.progress()["done"] == 100)
    rig.wait_log(second, 'partitions assigned')
    rig.wait(lambda: rig.database.value("select count(distinct owner) from rollcall.position where topic = %s", (rig.topic(),)) == 2)
    rig.send(tasks[100:])
    rig.wait(run.complete)
    assert run.progress()["digest_matches"] and set(rig.journal().values()) == {1}
    rig.check_ledger(rig.events(repeats=True))
    rig.stop_all()


def test_a_frozen_owner_comes_back(rig, kafka):
    """Frozen in the middle of a transaction: another takes over although it holds locks. Back again it writes nothing, rejoins, and works on."""
    rig = rig(kafka, people=300, session="2s", partitions=2)
    run = Run(rig)
    tasks = run.plan([run.task("gate", n) for n in range(1, 301)])
    with rig.database.connect() as gate:
        gate.execute("select pg_advisory_lock(77)")
        first = rig.start(lanes=["tasks"])
        rig.send(tasks[:100])
        rig.wait(lambda: rig.database.value("select count(*) from pg_stat_activity where wait_event = 'advisory'") == 1)
        first.send_signal(signal.SIGSTOP)
        second = rig.start(lanes=["tasks"])
        gate.execute("select pg_advisory_unlock(77)")
        rig.wait(lambda: run.progress()["done"] == 100, 30)
    rig.send(tasks[100:200])
    rig.wait(lambda: run.progress()["done"] == 200)
    first.send_signal(signal.SIGCONT)
    rig.wait_log(first, 'partitions assigned(.*\n)*.*partitions assigned')
    rig.wait(lambda: rig.database.value("select count(distinct owner) from rollcall.position where topic = %s", (rig.topic(),)) == 2)
    rig.send(tasks[200:])
    rig.wait(run.complete)
    assert run.progress()["digest_matches"] and set(rig.journal().values()) == {1}
    rig.check_ledger(rig.events(repeats=True))
    rig.stop_all()


def test_frozen_again_and_again(rig, kafka):
    """Frozen past its session at any moment, with another one working; both work on."""
    rig = rig(kafka, people=3000, session="1s", batch_max=60)
    run = Run(rig)
    steady(rig, run, 3000)
    first, second = rig.start(), rig.start()
    for victim in (first, second, first):
        goal = min(run.progress()["done"] + 1200, 14000)
        rig.wait(lambda: run.progress()["done"] >= goal)
        victim.send_signal(signal.SIGSTOP)
        other = rig.database.value("select sum(epoch) from rollcall.position")
        rig.wait(lambda: rig.database.value("select sum(epoch) from rollcall.position") >= other + 4)
        victim.send_signal(signal.SIGCONT)
    rig.wait(run.complete, 90)
    exactly_once(rig, run, 3000)
    rig.stop_all()


def published_is_true(rig):
    """Nothing that is not on the results topic is called published."""
    wire = {(r["source_topic"], r["source_partition"], r["sequence"]) for _, _, _, _, r in rig.read()}
    claimed = {tuple(r) for r in rig.database.rows("select p.topic, p.partition, o.sequence from rollcall.outcome o join rollcall.position p using (source_no) "
                                                   "where o.sequence <= p.published")}
    assert claimed <= wire
    return len(wire)


def test_held_back_and_drained(rig, embedded):
    """Nobody takes the results, so publishing is held back. A drain ends in time all the same, and only what is on the topic is called published."""
    rig = rig(embedded, people=3000, batch_max=200, config="in_flight_max_bytes = 60000;", drain_timeout='"1s"')
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in range(1, 3001)]))
    for _ in range(2):  # the second time it is what an earlier one left that is held back
        worker = rig.start(lanes=["tasks"])
        rig.wait_log(worker, "partitions assigned")
        done = [-1]

        def stuck():
            before, done[0] = done[0], len(rig.read())
            return done[0] == before
        rig.wait(stuck)
        start = time.monotonic()
        assert rig.stop(worker) == 0 and time.monotonic() - start < 12, rig.logs()
        assert published_is_true(rig) < 3000
    rig.config_extra = ""
    rig.database.execute("insert into rollcall.position (cluster, topic, partition, next) select %s, %s, n, 1000000000 from generate_series(0, 3) n",
                         (embedded.cluster, rig.topic("results")))
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    rig.check_ledger(rig.events(repeats=True))
    rig.stop_all()


# ---- signals, speed, memory -----------------------------------------------------------------------------------------------------------------


def test_drain_and_reload(rig, broker):
    rig = rig(broker, people=6000, batch_max=200)
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in range(1, 6001)]))
    worker = rig.start(lanes=["tasks"])
    rig.wait(lambda: run.progress()["done"] >= 400)
    good = rig.config.read_text()
    rig.config.write_text(good.replace("batch_max = 200", "batch_max = \"many\""))
    worker.send_signal(signal.SIGHUP)
    rig.wait_log(worker, r"reload refused.*batch_max")
    rig.config.write_text(good.replace("batch_max = 200", "batch_max = 300"))
    worker.send_signal(signal.SIGHUP)
    rig.wait(lambda: worker.text().count('msg="ready"') == 2)
    rig.wait(lambda: run.progress()["done"] >= 1000)
    start = time.monotonic()
    assert rig.stop(worker) == 0 and time.monotonic() - start < 10
    assert rig.acknowledged() or run.complete()
    done, events = run.progress()["done"], rig.events()
    assert len(events) == done  # a drain leaves nothing to publish again
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    rig.check_ledger(rig.events())
    assert worker.text().count("published again") == 0
    rig.stop_all()


def peak(worker):
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker.pid}/status").read_text())[1])


def test_backlog(rig, kafka):
    """A bulk of 300,000 tasks: an urgent request overtakes it, and memory stays flat."""
    rig = rig(kafka, people=300000, partitions=8)
    run = Run(rig)
    rig.send_bulk(run, "bump", range(1, 300001))
    start = time.monotonic()
    worker = rig.start(lanes=["tasks", "urgent"])
    ready = time.monotonic() - start
    rig.wait(lambda: run.progress()["done"] > 0)
    took = []
    for n in range(5):
        asked = adhoc("club.grant", n + 1, days="1")
        start = time.monotonic()
        rig.send([asked], "urgent")
        rig.wait(lambda: rig.database.value("select 1 from rollcall.outcome_adhoc where task_id = %s", (asked.id,)))
        took.append(time.monotonic() - start)
        assert not run.complete()
    rig.wait(run.complete, 400)
    rig.wait(rig.acknowledged)
    sanitized = b"libasan" in Path(f"/proc/{worker.pid}/maps").read_bytes()
    print(f"ready {ready:.2f} s, urgent {sorted(took)}, peak {peak(worker)} KiB")
    if not sanitized:
        assert sorted(took)[2] < 1 and ready < 5 and peak(worker) < 65536
    assert run.progress()["digest_matches"] and rig.database.value("select sum(hits) from person") == 300000
    rig.stop_all()


def test_cannot_start(rig, kafka, database):
    """What an operator must mend is said, with the file, and is the exit status."""
    rig = rig(kafka)
    database.execute("update rollcall.schema_version set version = 99")
    worker = rig.start(ready=False)
    assert worker.wait(20) == 1 and "use a newer program" in worker.text()
    database.execute("update rollcall.schema_version set version = 1")
    (rig.folder / "club/sql/bump.sql").write_text("effect as (select subject, 'applied' as outcome from no_such_table)")
    worker = rig.start(ready=False)
    assert worker.wait(20) == 1 and re.search(r'sql/bump.sql.*"no_such_table".*42P01', worker.text())
    (rig.folder / "club/sql/bump.sql").write_text("effect as (select subject from batch)")
    worker = rig.start(ready=False)
    assert worker.wait(20) == 1 and re.search(r'sql/bump.sql: effect has no column "outcome"', worker.text())
    worker = rig.start(ready=False, batch_max='"x"')
    assert worker.wait(20) == 3 and "worker.batch_max" in worker.text()
    rig.sanitized()

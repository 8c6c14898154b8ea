# SPDX-License-Identifier: Apache-2.0
"""Rows 22 to 24 and 30 of docs/reliability.md: messages that come again, are no messages, are of
another schema, or are out of date.
"""

import json
import time
import uuid
from collections import Counter

import verify
from cluster import encode_task
from harness.paths import REPO


# ---- 22, 23, 24: messages ----
def test_row_22_duplicate_reordered_replayed_publishing(cluster, chance):
    """All that is on the lanes is published again: at once, out of order, and after the end;
    ad-hoc tasks too, and one id with two contents.
    """
    w = cluster(people=200)
    w.begin()
    w.grants(100)
    w.ask()
    w.wait_done(100)
    for round_number in range(3):
        messages, _ = verify.read_topics(
            w.node.bootstrap, [w.topic("tasks"), w.topic("urgent"), w.topic("mail")]
        )
        again = [m for m in messages if chance.random() < (0.5 if round_number < 2 else 1)]
        chance.shuffle(again)
        for m in again:
            w.producer.produce(m.topic, m.value, m.key)
            w.producer.poll(0)
        assert w.producer.flush(30) == 0
        w.settle()
    before = Counter(w.database.rows("select type, count(*) from trace group by 1"))
    r = w.finish()
    assert (
        before == Counter(w.database.rows("select type, count(*) from trace group by 1"))
        and r.numbers["repeated_events"] == 0
    )


def test_row_23_tasks_that_fail_by_their_own_fault(cluster, chance):
    """Some rows divide by zero, while workers die: those tasks are retried, then quarantined
    with what is behind them, and done when the row is fixed.
    """
    w = cluster(people=200, batch=20, verify_options={"repeated_mails": "killed"})
    bad = chance.sample(range(1, 201), 8)
    w.database.execute("update person set trap = 'zero' where id = any(%s)", (bad,))
    w.begin()
    for _ in range(4):
        w.ask("bumping")
        victim = w.worker()
        w.wait_done(chance.randint(20, 150))
        w.kill(victim)
    w.settle(60)
    assert w.value("select count(*) from rollcall.outcome where outcome = 3") == 4 * len(bad)
    w.database.execute("update person set trap = ''")
    w.cli("quarantine", "replay", "--all", "--yes")
    for _ in range(2):
        victim = w.worker()
        time.sleep(chance.random())
        w.kill(victim)
    w.wait(
        lambda: w.value("select count(*) from rollcall.held") == 0,
        60,
        "the replayed tasks being done",
    )
    w.finish()
    assert (
        w.value("select count(*) from rollcall.outcome_all where outcome <> 0") == 0
        and w.value("select count(*) from trace") == 800
    )


def poisons(chance, good):
    mark = good[:10]
    return {
        "null": None,
        "empty": b"",
        "random": chance.randbytes(300),
        "text": b'{"type": "club.bump"}',
        "cut short": good[: chance.randint(11, len(good) - 1)],
        "one more byte": good + b"\0",
        "only the mark": mark,
        "unknown schema": b"\xc3\x01" + chance.randbytes(8) + good[10:],
        "huge length": (
            mark + bytes(16) + b"\0" + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f" + b"a" * 20
        ),
        "negative length": mark + bytes(16) + b"\0" + b"\x03" + b"a" * 20,
        "endless number": mark + b"\xff" * 200,
        "confluent": b"\0\0\0\0\x07" + good[10:],
        "large": b"\x01" * 900_000,
        "other kind": (
            next(k for k, v in verify.load_schemas().items() if v[0] == "outcome") + good[10:]
        ),
    }


def test_row_23_poison(cluster, chance):
    """Each becomes one dead letter, with the original bytes; the partition continues; nobody's
    memory grows.
    """
    w = cluster(people=200)
    w.begin()
    good = encode_task(uuid.uuid4(), "club.grant", "1", "never")
    bad = poisons(chance, good)
    for lane in ("tasks", "urgent", "mail", "jobs"):
        for n, value in enumerate(bad.values()):
            w.send([(b"k", value)], lane, partition=n % 4)
        w.grants(5)
    w.ask()
    r = w.finish()
    assert r.numbers["dead_letters"] == 4 * len(bad) and r.numbers["repeated_letters"] == 0
    kept = Counter(
        bytes(v) if v is not None else None
        for (v,) in w.database.rows("select value from rollcall.dead_letter")
    )
    assert kept == Counter({v: 4 for v in bad.values()})


def test_row_24_rolling_upgrade(cluster):
    """A newer writer's tasks, with a field more, reach old readers that have its schema in their
    folder; one that has not parks them, loses none.
    """
    newer = json.loads((REPO / "schemas/task.avsc").read_text())
    newer["fields"].append({"name": "priority", "type": "int", "default": 0})
    older = json.loads((REPO / "schemas/task.avsc").read_text())
    older["fields"] = [f for f in older["fields"] if f["name"] not in ("arguments",)]
    w = cluster(people=100)
    folder = w.folder / "schemas"
    folder.mkdir()
    (folder / "newer-task.avsc").write_text(json.dumps(newer))
    (folder / "older-task.avsc").write_text(json.dumps(older))
    known = {"more": f'schemas = {{ folder = "{folder}"; }};'}
    w.start("aggregator")
    w.start("scheduler")
    w.worker()
    w.ask()
    ids = [uuid.uuid4() for _ in range(60)]
    early = [
        (b"7", encode_task(i, "club.grant", "7", f"new{n}", schema=newer, priority=3))
        for n, i in enumerate(ids[:20])
    ]
    w.send(early, "urgent")
    w.wait(lambda: w.value("select count(*) from rollcall.dead_letter") == 20)
    assert w.stop(w.processes[-1]) == 0  # one after the other is replaced by one that knows
    w.worker(**known)
    w.worker(**known)
    w.send(early, "urgent")
    w.send(
        [
            (
                b"8",
                encode_task(
                    i, "club.grant", "8", f"old{n}", schema={k: v for k, v in older.items()}
                ),
            )
            for n, i in enumerate(ids[20:60])
        ],
        "urgent",
    )
    w.ask()
    took = w.settle()
    w.stop_all()
    state = verify.State(
        w.database.conninfo_tcp, w.node.bootstrap, w.prefix, w.folder / "mails", w.logs_folder
    )
    check = verify.Verify(state)
    for schema in (newer, older):
        mark = b"\xc3\x01" + bytes.fromhex(
            verify.fingerprint(verify.to_parsing_canonical_form(schema), "CRC-64-AVRO")
        )
        check.schemas[mark] = ("task", verify.fastavro.parse_schema(schema))
    check.decoded = [(m, *verify.decode(check.schemas, m.value)) for m in state.messages]
    report = check.run()
    print(report.text(), took)
    assert not report.violations, report.text()
    assert w.value("select count(*) from trace where type = 'club.grant'") == 60


# ---- 30: requests out of date ----
def test_row_30_reactivated_between_planning_and_purge(cluster, chance):
    """Planned while leaving; some stay after all, before the workers come and while they work:
    nobody is deleted who does not leave, approved, at that moment.
    """
    w = cluster(people=1500, batch=20)
    w.database.execute("update person set leaving = true, approved = true")
    w.start("aggregator")
    w.start("scheduler")
    w.ask("purging")
    w.wait(lambda: w.value("select count(*) from rollcall.run where state = 'published'") == 1)
    w.database.execute(
        "update person set leaving = false where id %% 10 = %s", (chance.randrange(10),)
    )
    w.database.execute(
        "update person set approved = false where id %% 10 = %s", (chance.randrange(10),)
    )
    for _ in range(2):
        w.start("worker", ready=False)
    stayed = set()
    while w.value("select count(*) from rollcall.run where state = 'published'"):
        for subject in chance.sample(range(1, 1501), 3):
            stayed |= {
                r[0]
                for r in w.database.rows(
                    "update person set leaving = false where id = %s returning id", (subject,)
                )
            }
    r = w.finish()
    assert stayed and not stayed & {d[0] for d in w.database.rows("select subject from deleted")}
    assert r.numbers["deleted"] <= 1500 - 150

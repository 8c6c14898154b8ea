# SPDX-License-Identifier: Apache-2.0
"""What has a size is bounded by bytes: retries and takeovers of large tasks, large results."""

import json
import re
from pathlib import Path

import pytest
from confluent_kafka import Producer
from harness.paths import program
from worker_pack import Run, adhoc
from worker_service import mail_sink, make_service  # noqa: F401

MEMORY_MAX = 64 * 1024  # kB: README.md
SANITIZED = (
    b"__asan_init" in Path(program("rollcall-worker")).read_bytes()
    or b"__tsan_init" in Path(program("rollcall-worker")).read_bytes()
)


def peak(worker):
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker.pid}/status").read_text())[1])


def stays_small(worker, limit=MEMORY_MAX):
    assert SANITIZED or peak(worker) < limit, f"{peak(worker)} kB"


@pytest.mark.parametrize("fill", ["x", "\x01"], ids=["text", "escaped"])
def test_many_large_tasks_that_fail(make_service, kafka, fill):
    """Hundreds of failing tasks with arguments of 120 KB each: all are retried, quarantined,
    replayed by one command, and dropped by another.
    """
    count = 300 if fill == "x" else 30
    service = make_service(
        kafka, people=count, partitions=2, retry='attempts = 2; base = "100ms"; max = "100ms";'
    )
    # in one way, the type would be paused
    service.database.execute(
        "update person set trap = case when id % 4 < 2 then 'zero' else 'word' end"
    )
    service.send(
        [
            adhoc("club.large", n, left=fill * 60_000, right=fill * 60_000)
            for n in range(1, count + 1)
        ]
    )
    worker = service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.held where state = 'quarantined'")
            == count
        )
    )
    assert (
        len(json.loads(service.rollcall("quarantine", "list", "--json", "--limit", "1000")))
        == count
    )
    service.database.execute("update person set trap = '' where id % 2 = 0")
    assert f"{count} tasks" in service.rollcall("quarantine", "replay", "--all", "--yes")
    service.wait(lambda: service.database.value("select count(*) from rollcall.held") == count // 2)
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.held where state = 'quarantined'")
            == count // 2
        )
    )
    assert f"{count // 2} tasks" in service.rollcall("quarantine", "drop", "--all", "--yes")
    service.wait(lambda: service.database.value("select count(*) from rollcall.held") == 0)
    assert service.database.rows("select hits, count(*) from person group by 1 order by 1") == [
        (0, count // 2),
        (1, count // 2),
    ]
    service.wait(service.acknowledged)
    stays_small(worker)
    service.stop_all()


def test_large_outcomes_are_published_again(make_service, kafka):
    """A worker is killed before its large outcomes are known to be published: the next one
    publishes them from the ledger, piece by piece.
    """
    service = make_service(kafka, people=1000, partitions=1)
    service.database.execute("update person set note = '60000'")
    run = Run(service)
    service.send(run.plan([run.task("large", n) for n in range(1, 1001)]))
    first = service.start(lanes=["tasks"])
    service.wait(run.complete)
    service.kill(first)
    service.database.execute("update rollcall.position set published = 0")
    second = service.start(lanes=["tasks"])
    service.wait(service.acknowledged)
    assert {e["subject"] for e in service.events(repeats=True).values()} == {
        str(n) for n in range(1, 1001)
    }
    stays_small(first) if first.running() else None
    stays_small(second)
    service.stop_all()


@pytest.mark.parametrize("size", [20_000, 60_000])
def test_large_results_are_taken_in_batches_that_fit(make_service, kafka, size):
    """What a statement gives back is taken in batches that fit, and whole."""
    count = 3000
    service = make_service(kafka, people=count, partitions=2)
    service.database.execute("update person set note = %s", (str(size),))
    run = Run(service)
    service.send(run.plan([run.task("large", n) for n in range(1, count + 1)]))
    worker = service.start(lanes=["tasks"])
    service.wait(run.complete)
    assert run.progress()["applied"] == count and run.progress()["digest_matches"]
    assert service.database.rows("select hits, count(*) from person group by 1") == [(1, count)]
    assert (
        service.database.value(
            "select count(*) from rollcall.outcome_all where length(before) = %s and length(after)"
            " = %s",
            (size, size),
        )
        == count
    )
    service.check_ledger(service.events())
    stays_small(worker)
    service.stop_all()


def test_a_result_too_large_for_a_worker(make_service, kafka):
    """One task whose result is 40 MB among a hundred: it is quarantined with its size; the
    others are applied.
    """
    service = make_service(kafka, people=100, partitions=1, retry="attempts = 1;")
    service.database.execute("update person set note = '20000000' where id = 50")
    run = Run(service)
    service.send(run.plan([run.task("large", n) for n in range(1, 101)]))
    worker = service.start(lanes=["tasks"])
    service.wait(run.complete)
    outcomes = run.outcomes()
    assert outcomes.pop("50") == (
        "quarantined",
        "the result is 40000000 bytes, more than 4194304 (SQLSTATE RC001)",
    )
    assert set(outcomes.values()) == {("applied", "")} and len(outcomes) == 99
    stays_small(worker)
    service.stop_all()


def test_large_originals_of_dead_letters(make_service, kafka):
    """Up to 900,000 bytes are on the topic, up to 1 MiB in the table, and of more there is a
    reason only.
    """
    service = make_service(kafka, people=1, partitions=1)
    kafka.configure(service.topic(), max_message_bytes=4 * 1024 * 1024)
    kafka.configure(service.topic("dead-letters"), max_message_bytes=4 * 1024 * 1024)
    sizes = [800_000, 1_000_000, 3_000_000]
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.max.bytes": 5_000_000})
    for size in sizes:
        producer.produce(service.topic(), b"\x01" * size, b"k", partition=0)
    assert producer.flush(30) == 0
    worker = service.start(lanes=["tasks"])
    service.wait(lambda: service.position() == 3)
    service.wait(service.acknowledged)
    rows = service.database.rows(
        "select length(value), reason from rollcall.dead_letter order by src_offset"
    )
    assert [r[0] for r in rows] == [800_000, 1_000_000, None] and rows[2][1].endswith(
        "; its 3000001 bytes are not kept"
    )
    letters = service.letters()
    assert [len(letters[(service.topic(), 0, n)]["value"] or b"") for n in range(3)] == [
        800_000,
        0,
        0,
    ]
    assert letters[(service.topic(), 0, 1)]["reason"].endswith(
        "; its bytes are in rollcall.dead_letter"
    )
    stays_small(worker)
    service.stop_all()


def test_a_dead_letter_of_another_log_has_another_id(make_service, kafka):
    """The topic is re-created: another message at the same offset is another dead letter;
    published again, each keeps its id.
    """
    service = make_service(kafka, people=1, partitions=1, config='lost_log = "repair";')
    ids = []
    for round_number in range(2):
        if round_number:
            kafka.delete(service.topic())
            service.wait(lambda: "created" in service.rollcall("topics", "apply"), 30)
        service.send_raw(b"nonsense %d" % round_number)
        assert service.producer.flush(30) == 0
        worker = service.start(lanes=["tasks"])
        service.wait(
            lambda: (
                service.database.value("select count(*) from rollcall.dead_letter")
                == round_number + 1
            )
        )
        service.wait(service.acknowledged)
        assert service.stop(worker) == 0
        ids = [(r["event_id"], r["value"]) for *_, r in service.read("dead-letters")]
        assert len(ids) == len(set(ids)) == round_number + 1
    service.database.execute("update rollcall.position set published = 0")
    service.start(lanes=["tasks"])
    service.wait(lambda: len(service.read("dead-letters")) == 4)
    again = [(r["event_id"], r["value"]) for *_, r in service.read("dead-letters")]
    assert set(again) == set(ids) and len({i for i, _ in ids}) == 2
    service.stop_all()


@pytest.mark.parametrize("threads,limit", [(1, 64), (2, 80)])
def test_all_lanes_at_their_worst(make_service, kafka, threads, limit):
    """Mails of 60 KB, failing tasks of 120 KB, bulk work and a bomb at once, on eight partitions
    and four lanes.
    """
    service = make_service(
        kafka,
        people=6_000,
        partitions=8,
        threads=threads,
        retry='attempts = 2; base = "100ms"; max = "100ms";',
    )
    service.database.execute("update person set note = repeat('x', 60000) where id <= 150")
    service.database.execute("update person set trap = 'zero' where id > 5940")
    run = Run(service)
    service.send(
        [
            adhoc("club.large", n, left="\x01" * 20_000, right="x" * 60_000)
            for n in range(5_941, 6_001)
        ]
    )
    service.bomb("tasks", "gzip")
    service.send([adhoc("club.greet", n) for n in range(1, 151)], "mail")
    service.send_bulk(run, "bump", range(1, 5_941))
    worker = service.start(threads=threads)
    service.wait(lambda: run.progress()["applied"] == 5_940, 100)
    service.wait(lambda: service.database.value("select count(*) from sent") == 150, 60)
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.held where state = 'quarantined'")
            == 60
        ),
        60,
    )
    service.wait(service.acknowledged)
    print(f"peak {peak(worker)} kB")
    stays_small(worker, limit * 1024)
    service.stop_all()

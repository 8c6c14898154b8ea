"""What has a size is bounded by bytes: retries and takeovers of large tasks, large results."""
import json
import re
from pathlib import Path

import pytest

from harness.paths import program
from worker_rig import rig, sink  # noqa: F401
from worker_pack import Run, adhoc

MEMORY_MAX = 64 * 1024  # kB: README.md
SANITIZED = b"__asan_init" in Path(program("rollcall-worker")).read_bytes() or b"__tsan_init" in Path(program("rollcall-worker")).read_bytes()


def peak(worker):
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker.pid}/status").read_text())[1])


def stays_small(worker, limit=MEMORY_MAX):
    assert SANITIZED or peak(worker) < limit, f"{peak(worker)} kB"


@pytest.mark.parametrize("fill", ["x", "\x01"], ids=["text", "escaped"])
def test_many_large_tasks_that_fail(rig, kafka, fill):  # noqa: F811
    """Hundreds of failing tasks with arguments of 120 KB each: all are tried again, quarantined, replayed by one command, and dropped by another."""
    count = 600 if fill == "x" else 60
    rig = rig(kafka, people=count, partitions=2, retry='attempts = 2; base = "100ms"; max = "100ms";')
    rig.database.execute("update person set trap = 'zero'")
    rig.send([adhoc("club.large", n, left=fill * 60_000, right=fill * 60_000) for n in range(1, count + 1)])
    worker = rig.start(lanes=["tasks"])
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.held where state = 'quarantined'") == count)
    assert len(json.loads(rig.rollcall("quarantine", "list", "--json", "--limit", "1000"))) == count
    rig.database.execute("update person set trap = '' where id % 2 = 0")
    assert f"{count} tasks" in rig.rollcall("quarantine", "replay", "--all", "--yes")
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.held") == count // 2)
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.held where state = 'quarantined'") == count // 2)
    assert f"{count // 2} tasks" in rig.rollcall("quarantine", "drop", "--all", "--yes")
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.held") == 0)
    assert rig.database.rows("select hits, count(*) from person group by 1 order by 1") == [(0, count // 2), (1, count // 2)]
    rig.wait(rig.acknowledged)
    stays_small(worker)
    rig.stop_all()


def test_large_outcomes_are_published_again(rig, kafka):  # noqa: F811
    """A worker is killed before its large outcomes are known to be published: the next one publishes them from the ledger, piece by piece."""
    rig = rig(kafka, people=1000, partitions=1)
    rig.database.execute("update person set note = '60000'")
    run = Run(rig)
    rig.send(run.plan([run.task("large", n) for n in range(1, 1001)]))
    first = rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    rig.kill(first)
    rig.database.execute("update rollcall.position set published = 0")
    second = rig.start(lanes=["tasks"])
    rig.wait(rig.acknowledged)
    assert {e["subject"] for e in rig.events(repeats=True).values()} == {str(n) for n in range(1, 1001)}
    stays_small(first) if first.running() else None
    stays_small(second)
    rig.stop_all()


@pytest.mark.parametrize("size", [20_000, 60_000])
def test_large_results(rig, kafka, size):  # noqa: F811
    """What a statement gives back is taken in batches that fit, and whole."""
    count = 3000
    rig = rig(kafka, people=count, partitions=2)
    rig.database.execute("update person set note = %s", (str(size),))
    run = Run(rig)
    rig.send(run.plan([run.task("large", n) for n in range(1, count + 1)]))
    worker = rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    assert run.progress()["applied"] == count and run.progress()["digest_matches"]
    assert rig.database.rows("select hits, count(*) from person group by 1") == [(1, count)]
    assert rig.database.value("select count(*) from rollcall.outcome where length(before) = %s and length(after) = %s", (size, size)) == count
    rig.check_ledger(rig.events())
    stays_small(worker)
    rig.stop_all()


def test_a_result_too_large_for_a_worker(rig, kafka):  # noqa: F811
    """One task whose result is 40 MB among a hundred: it is quarantined with its size; the others are applied."""
    rig = rig(kafka, people=100, partitions=1, retry="attempts = 1;")
    rig.database.execute("update person set note = '20000000' where id = 50")
    run = Run(rig)
    rig.send(run.plan([run.task("large", n) for n in range(1, 101)]))
    worker = rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    outcomes = run.outcomes()
    assert outcomes.pop("50") == ("quarantined", "the result is 40000000 bytes, more than 4194304 (SQLSTATE RC001)")
    assert set(outcomes.values()) == {("applied", "")} and len(outcomes) == 99
    stays_small(worker)
    rig.stop_all()

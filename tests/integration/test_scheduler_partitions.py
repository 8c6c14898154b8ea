# SPDX-License-Identifier: Apache-2.0
"""Plans by partition: what a chunk has, and what becomes of a run whose tasks are published again
or to other partitions.
"""

import os
import signal
from collections import Counter

import worker_pack
from scheduler_service import (
    expected,
    rig,  # noqa: F401
)


def plan(rig, run):
    """Rows of the run's plan: chunk, type, lane, partition, partitions, subjects, items."""
    return rig.database.rows(
        "select chunk, t.name, lane, partition, partitions, subjects, items from rollcall.plan"
        " join rollcall.task_type t using (type_no) join rollcall.run using (run_no)"
        " where run_id = %s order by chunk",
        (run,),
    )


def planned_order(rig, run, lane):
    """{partition: the (type, subject, item) of its chunks, in their order}"""
    found = {}
    for _, name, of_lane, partition, _, subjects, items in plan(rig, run):
        if of_lane == lane:
            found.setdefault(partition, []).extend(
                (name, s, i or "")
                for s, i in zip(subjects, items or [""] * len(subjects), strict=True)
            )
    return found


def published_order(rig, run, lane):
    """The same of the messages, by offset."""
    found = {}
    for partition, _, _, _, value in sorted(rig.values(lane), key=lambda m: m[:2]):
        if value[:10] == worker_pack.TASK_MARK:
            task = worker_pack.decode(value)[1]
            if str(task["run_id"]) == run:
                found.setdefault(partition, []).append(
                    (task["type"], task["subject"], task["item"])
                )
    return found


def decided(rig, run, chunk):
    """As if a worker had decided all tasks of a chunk."""
    rig.database.execute(
        "insert into rollcall.outcome_batch (day, run_no, chunk, first, n, type_no, source_no,"
        " dry_run, first_offset, first_sequence, last_sequence, outcome)"
        " select day, run_no, chunk, 0, cardinality(subjects), type_no, 999, false, 0, 1,"
        " cardinality(subjects), '{0}' from rollcall.plan join rollcall.run using (run_no)"
        " where run_id = %s and chunk = %s",
        (run, chunk),
    )


def kept(rig):
    """(subjects in rows of their own, rows of batches)"""
    return (
        {r[0] for r in rig.database.rows("select subject from rollcall.outcome")},
        rig.database.value("select count(*) from rollcall.outcome_batch"),
    )


def test_a_chunk_has_the_tasks_of_one_partition(rig, broker):
    """The messages of each partition are those of its chunks, in their order; also of types with
    items, of dry and of run-level ones.
    """
    rig = rig(broker, people=1234)
    rig.scheduler()
    run = rig.ask("items")
    rig.until(run, "published")
    chunks = plan(rig, run)
    assert [c[0] for c in chunks] == list(range(len(chunks)))
    assert {c[2]: c[4] for c in chunks} == {"tasks": 4, "jobs": 4}
    assert max(len(c[5]) for c in chunks) == 100
    order = planned_order(rig, run, "tasks")
    assert set(order) == {0, 1, 2, 3} and sum(map(len, order.values())) == 3 * 1234
    assert published_order(rig, run, "tasks") == order
    assert published_order(rig, run, "jobs") == planned_order(rig, run, "jobs")
    assert rig.row(run, "by_task, planned, chunks") == (False, 3 * 1234 + 1, len(chunks))


def test_small_runs_have_a_chunk_for_each_partition(rig, kafka):
    """More chunks than wait for acknowledgements at a time."""
    rig = rig(kafka, people=2000, partitions=200)
    rig.scheduler()
    run = rig.ask("sweep")
    rig.until(run, "published")
    order = planned_order(rig, run, "tasks")
    assert len(order) == len(plan(rig, run)) == 200
    assert published_order(rig, run, "tasks") == order


def test_a_plan_made_without_a_broker_is_by_task(rig, kafka):
    rig = rig(kafka, people=250)
    s = rig.scheduler()
    rig.wait_log(s, 'msg="leading"')
    os.killpg(kafka.process.pid, signal.SIGSTOP)
    try:
        run = rig.ask("sweep")
        rig.wait(lambda: rig.state(run) == "planned")
        assert rig.row(run, "by_task") == (True,)
        assert [c[2:5] for c in plan(rig, run)] == [(None, None, None)] * 3
    finally:
        os.killpg(kafka.process.pid, signal.SIGCONT)
    rig.until(run, "published")
    assert Counter(t["task_id"] for t in rig.tasks(run)) == Counter(
        list(expected(run, "bump", range(1, 251)))
    )


def test_other_partitions_than_planned_make_the_run_by_task(rig, kafka):
    """A run of which one chunk is published and decided; the next scheduler has more partitions."""
    rig = rig(kafka, people=250)
    first = rig.scheduler()
    run = rig.ask("capped")
    rig.wait(lambda: rig.state(run) == "held for review")
    assert rig.row(run, "by_task") == (False,)
    assert rig.stop(first) == 0
    before = plan(rig, run)
    rig.database.execute("update rollcall.run set chunks_published = 1 where run_id = %s", (run,))
    decided(rig, run, 0)
    rig.partitions = 8
    rig.write()
    rig.rollcall("topics", "apply")
    second = rig.scheduler()
    rig.rollcall("runs", "release", run, "--yes")
    rig.until(run, "published")
    assert rig.row(run, "by_task, chunks_published") == (True, len(before))
    assert kept(rig) == (set(before[0][5]), 0) and plan(rig, run) == before
    assert second.text().count('msg="the run was planned for other partitions') == 1
    published = published_order(rig, run, "tasks")
    assert set(published) == set(range(8))
    assert Counter(t for tasks in published.values() for t in tasks) == Counter(
        (name, s, "")
        for _, name, lane, _, _, subjects, _ in before[1:]
        for s in subjects
        if lane == "tasks"
    )


def test_a_run_that_is_published_again_is_by_task(rig, embedded):
    """What a batch had decided is in rows of its own, and is not published again."""
    rig = rig(embedded, people=250)
    rig.scheduler()
    run = rig.ask("sweep")
    rig.until(run, "published")
    chunks = plan(rig, run)
    decided(rig, run, 1)
    assert rig.row(run, "by_task") == (False,)
    rig.rollcall("runs", "republish", run)
    assert rig.row(run, "by_task") == (True,) and kept(rig) == (set(chunks[1][5]), 0)
    rig.wait(lambda: len(rig.tasks(run)) == 500 - len(chunks[1][5]))
    rig.until(run, "published")
    times = Counter(t["subject"] for t in rig.tasks(run))
    assert {s for s, n in times.items() if n == 1} == set(chunks[1][5])
    assert set(times.values()) == {1, 2} and plan(rig, run) == chunks


def test_what_a_lost_broker_had_is_by_task(rig, embedded):
    """With the follow-ups that a batch's tasks had spawned."""
    rig = rig(embedded, people=250)
    s = rig.scheduler()
    run = rig.ask("sure")
    rig.until(run, "published")
    done = plan(rig, run)[0][5]
    decided(rig, run, 0)
    rig.database.execute("update rollcall.outcome_batch set follow_ups = '{club.welcome}'")
    embedded.restart(crash=True)
    rig.wait_log(s, "republishing run")
    rig.until(run, "published")
    assert rig.row(run, "by_task") == (True,) and kept(rig) == (set(done), 0)
    assert {t["subject"] for t in rig.tasks(run)} == {str(n) for n in range(1, 251)} - set(done)
    assert {t["task_id"] for t in rig.tasks(run, "urgent")} == set(expected(run, "welcome", done))

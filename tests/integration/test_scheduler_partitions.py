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
    make_service,  # noqa: F401
)


def plan(service, run):
    """Rows of the run's plan: chunk, type, lane, partition, partitions, subjects, items."""
    return service.database.rows(
        "select chunk, t.name, lane, partition, partitions, subjects, items from rollcall.plan"
        " join rollcall.task_type t using (type_no) join rollcall.run using (run_no)"
        " where run_id = %s order by chunk",
        (run,),
    )


def planned_order(service, run, lane):
    """{partition: the (type, subject, item) of its chunks, in their order}"""
    found = {}
    for _, name, of_lane, partition, _, subjects, items in plan(service, run):
        if of_lane == lane:
            found.setdefault(partition, []).extend(
                (name, s, i or "")
                for s, i in zip(subjects, items or [""] * len(subjects), strict=True)
            )
    return found


def published_order(service, run, lane):
    """The same of the messages, by offset."""
    found = {}
    for partition, _, _, _, value in sorted(service.values(lane), key=lambda m: m[:2]):
        if value[:10] == worker_pack.TASK_MARK:
            task = worker_pack.decode(value)[1]
            if str(task["run_id"]) == run:
                found.setdefault(partition, []).append(
                    (task["type"], task["subject"], task["item"])
                )
    return found


def decided(service, run, chunk):
    """As if a worker had decided all tasks of a chunk."""
    service.database.execute(
        "insert into rollcall.outcome_batch (day, run_no, chunk, first, n, type_no, source_no,"
        " dry_run, first_offset, first_sequence, last_sequence, outcome)"
        " select day, run_no, chunk, 0, cardinality(subjects), type_no, 999, false, 0, 1,"
        " cardinality(subjects), '{0}' from rollcall.plan join rollcall.run using (run_no)"
        " where run_id = %s and chunk = %s",
        (run, chunk),
    )


def kept(service):
    """(subjects in rows of their own, rows of batches)"""
    return (
        {r[0] for r in service.database.rows("select subject from rollcall.outcome")},
        service.database.value("select count(*) from rollcall.outcome_batch"),
    )


def test_a_chunk_has_the_tasks_of_one_partition(make_service, broker):
    """The messages of each partition are those of its chunks, in their order; also of types with
    items, of dry and of run-level ones.
    """
    service = make_service(broker, people=1234)
    service.scheduler()
    run = service.ask("items")
    service.until(run, "published")
    chunks = plan(service, run)
    assert [c[0] for c in chunks] == list(range(len(chunks)))
    assert {c[2]: c[4] for c in chunks} == {"tasks": 4, "jobs": 4}
    assert max(len(c[5]) for c in chunks) == 100
    order = planned_order(service, run, "tasks")
    assert set(order) == {0, 1, 2, 3} and sum(map(len, order.values())) == 3 * 1234
    assert published_order(service, run, "tasks") == order
    assert published_order(service, run, "jobs") == planned_order(service, run, "jobs")
    assert service.row(run, "by_task, planned, chunks") == (False, 3 * 1234 + 1, len(chunks))


def test_small_runs_have_a_chunk_for_each_partition(make_service, kafka):
    """More chunks than wait for acknowledgements at a time."""
    service = make_service(kafka, people=2000, partitions=200)
    service.scheduler()
    run = service.ask("sweep")
    service.until(run, "published")
    order = planned_order(service, run, "tasks")
    assert len(order) == len(plan(service, run)) == 200
    assert published_order(service, run, "tasks") == order


def test_a_plan_made_without_a_broker_is_by_task(make_service, kafka):
    service = make_service(kafka, people=250)
    s = service.scheduler()
    service.wait_log(s, 'msg="leading"')
    os.killpg(kafka.process.pid, signal.SIGSTOP)
    try:
        run = service.ask("sweep")
        service.wait(lambda: service.state(run) == "planned")
        assert service.row(run, "by_task") == (True,)
        assert [c[2:5] for c in plan(service, run)] == [(None, None, None)] * 3
    finally:
        os.killpg(kafka.process.pid, signal.SIGCONT)
    service.until(run, "published")
    assert Counter(t["task_id"] for t in service.tasks(run)) == Counter(
        list(expected(run, "bump", range(1, 251)))
    )


def test_other_partitions_than_planned_make_the_run_by_task(make_service, kafka):
    """A run of which one chunk is published and decided; the next scheduler has more partitions."""
    service = make_service(kafka, people=250)
    first = service.scheduler()
    run = service.ask("capped")
    service.wait(lambda: service.state(run) == "held for review")
    assert service.row(run, "by_task") == (False,)
    assert service.stop(first) == 0
    before = plan(service, run)
    service.database.execute(
        "update rollcall.run set chunks_published = 1 where run_id = %s", (run,)
    )
    decided(service, run, 0)
    service.partitions = 8
    service.write()
    service.rollcall("topics", "apply")
    second = service.scheduler()
    service.rollcall("runs", "release", run, "--yes")
    service.until(run, "published")
    assert service.row(run, "by_task, chunks_published") == (True, len(before))
    assert kept(service) == (set(before[0][5]), 0) and plan(service, run) == before
    assert second.text().count('msg="the run was planned for other partitions') == 1
    published = published_order(service, run, "tasks")
    assert set(published) == set(range(8))
    assert Counter(t for tasks in published.values() for t in tasks) == Counter(
        (name, s, "")
        for _, name, lane, _, _, subjects, _ in before[1:]
        for s in subjects
        if lane == "tasks"
    )


def test_a_run_that_is_published_again_is_by_task(make_service, embedded):
    """What a batch had decided is in rows of its own, and is not published again."""
    service = make_service(embedded, people=250)
    service.scheduler()
    run = service.ask("sweep")
    service.until(run, "published")
    chunks = plan(service, run)
    decided(service, run, 1)
    assert service.row(run, "by_task") == (False,)
    service.rollcall("runs", "republish", run)
    assert service.row(run, "by_task") == (True,) and kept(service) == (set(chunks[1][5]), 0)
    service.wait(lambda: len(service.tasks(run)) == 500 - len(chunks[1][5]))
    service.until(run, "published")
    times = Counter(t["subject"] for t in service.tasks(run))
    assert {s for s, n in times.items() if n == 1} == set(chunks[1][5])
    assert set(times.values()) == {1, 2} and plan(service, run) == chunks


def test_what_a_lost_broker_had_is_by_task(make_service, embedded):
    """With the follow-ups that a batch's tasks had spawned."""
    service = make_service(embedded, people=250)
    s = service.scheduler()
    run = service.ask("sure")
    service.until(run, "published")
    done = plan(service, run)[0][5]
    decided(service, run, 0)
    service.database.execute("update rollcall.outcome_batch set follow_ups = '{club.welcome}'")
    embedded.restart(crash=True)
    service.wait_log(s, "republishing run")
    service.until(run, "published")
    assert service.row(run, "by_task") == (True,) and kept(service) == (set(done), 0)
    assert {t["subject"] for t in service.tasks(run)} == {str(n) for n in range(1, 251)} - set(done)
    assert {t["task_id"] for t in service.tasks(run, "urgent")} == set(
        expected(run, "welcome", done)
    )

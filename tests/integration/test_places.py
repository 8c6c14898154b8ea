# SPDX-License-Identifier: Apache-2.0
"""Tasks in the turn of their run's plan are kept batch by batch; what comes twice, early, or from a
stranger changes nothing."""

from worker_pack import Run
from worker_service import rig  # noqa: F401


def kept(rig):
    """(tasks in rows of batches, rows of their own)"""
    return (
        rig.database.value("select count(*) from rollcall.outcome_of_batch"),
        rig.database.value("select count(*) from rollcall.outcome"),
    )


def once(rig, n):
    assert rig.database.rows("select hits, count(*) from person where hits > 0 group by 1") == [
        (1, n)
    ]


def test_a_row_for_what_a_batch_decided(rig, kafka):
    rig = rig(kafka, people=3000)
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in range(1, 3001)]))
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    once(rig, 3000)
    assert kept(rig) == (3000, 0)
    rows = rig.database.value("select count(*) from rollcall.outcome_batch")
    assert rows < 60
    rig.check_ledger(rig.events(repeats=True))
    places = rig.database.rows(
        "select partition, max(p.place), max(rollcall.place(l.chunk, cardinality(l.subjects) - 1))"
        " from rollcall.progress p join rollcall.position using (source_no)"
        " join rollcall.plan l using (run_no, partition) group by 1"
    )
    assert len(places) == 4 and all(taken == last for _, taken, last in places)


def test_repetitions_in_any_order_change_nothing(rig, kafka):
    """All once more, as a second scheduler does, and then in another order."""
    rig = rig(kafka, people=500)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 501)])
    rig.send(tasks)
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    rig.send(tasks)
    rig.send(tasks[::-1])
    rig.wait(lambda: rig.caught_up("tasks"))
    once(rig, 500)
    assert kept(rig) == (500, 0)
    assert run.progress()["done"] == 500


def test_a_task_that_comes_early_makes_the_run_kept_by_task(rig, kafka):
    """Half the messages, then the last one of the plan, then all."""
    rig = rig(kafka, people=400)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 401)])
    rig.start(lanes=["tasks"])
    rig.send(tasks[:200])
    rig.wait(lambda: run.progress()["done"] == 200)
    assert kept(rig) == (200, 0)
    rig.send(tasks[300:])
    rig.wait(lambda: run.progress()["done"] == 300)
    assert kept(rig) == (0, 300)
    assert "came out of their order" in rig.logs()
    rig.send(tasks)
    rig.wait(run.complete)
    once(rig, 400)
    assert run.progress()["digest_matches"]
    rig.check_ledger(rig.events(repeats=True))


def test_what_the_plan_does_not_have_is_a_dead_letter(rig, kafka):
    rig = rig(kafka, people=300)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 101)])
    rig.send([*tasks[:50], *[run.task("bump", n) for n in range(201, 206)], *tasks[50:]])
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.dead_letter") == 5)
    once(rig, 100)
    assert rig.database.rows("select distinct reason from rollcall.dead_letter") == [
        (
            "the run's plan does not have this task, and no task of it that was applied has it as"
            " its follow-up",
        )
    ]
    assert kept(rig) == (100, 0)


def test_another_owner_goes_on_at_the_next_place(rig, kafka):
    """Workers are killed in between; the places go on where they were committed."""
    rig = rig(kafka, people=6000, batch_max=100)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 6001)])
    rig.send(tasks[:3000])
    for _ in range(3):
        worker = rig.start(lanes=["tasks"])
        before = run.progress()["done"]
        rig.wait(lambda: run.progress()["done"] > before)  # noqa: B023
        worker.stopped = True
        worker.kill()
        rig.send(tasks[3000:])
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    once(rig, 6000)
    assert kept(rig) == (6000, 0)
    rig.check_ledger(rig.events(repeats=True))


def test_a_batch_ends_where_the_run_is_kept_by_task(rig, kafka):
    """The run becomes kept by task while a worker is in the middle of it."""
    rig = rig(kafka, people=6000, batch_max=50)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 6001)])
    rig.send(tasks)
    rig.start(lanes=["tasks"])
    rig.wait(lambda: run.progress()["done"] > 500)
    moved = rig.database.value("select rollcall.keep_by_task(%s)", (run.no,))
    assert moved > 500
    rig.send(tasks)
    rig.wait(run.complete)
    rig.wait(lambda: rig.caught_up("tasks"))
    once(rig, 6000)
    assert kept(rig) == (0, 6000)
    rig.check_ledger(rig.events(repeats=True))


def test_what_an_earlier_version_has_taken_is_not_taken_again(rig, kafka):
    """Its worker counted its tasks without their places."""
    rig = rig(kafka, people=200)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 201)], placed=False)
    rig.send(tasks[:100])
    worker = rig.start(lanes=["tasks"])
    rig.wait(lambda: run.progress()["done"] == 100)
    worker.stop()
    worker.stopped = True
    rig.database.execute("update rollcall.progress set place = null")
    rig.database.execute("delete from rollcall.plan")
    run.plan(tasks)
    rig.send(tasks)
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    once(rig, 200)
    assert kept(rig) == (0, 200)

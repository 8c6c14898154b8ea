# SPDX-License-Identifier: Apache-2.0
"""Tasks in the turn of their run's plan are kept batch by batch; what comes twice, early, or from a
stranger changes nothing."""

from worker_pack import Run
from worker_service import make_service  # noqa: F401


def kept(service):
    """(tasks in rows of batches, rows of their own)"""
    return (
        service.database.value("select count(*) from rollcall.outcome_of_batch"),
        service.database.value("select count(*) from rollcall.outcome"),
    )


def once(service, n):
    assert service.database.rows("select hits, count(*) from person where hits > 0 group by 1") == [
        (1, n)
    ]


def test_a_row_for_what_a_batch_decided(make_service, kafka):
    service = make_service(kafka, people=3000)
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 3001)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    once(service, 3000)
    assert kept(service) == (3000, 0)
    rows = service.database.value("select count(*) from rollcall.outcome_batch")
    assert rows < 60
    service.check_ledger(service.events(repeats=True))
    places = service.database.rows(
        "select partition, max(p.place), max(rollcall.place(l.chunk, cardinality(l.subjects) - 1))"
        " from rollcall.progress p join rollcall.position using (source_no)"
        " join rollcall.plan l using (run_no, partition) group by 1"
    )
    assert len(places) == 4 and all(taken == last for _, taken, last in places)


def test_repetitions_in_any_order_change_nothing(make_service, kafka):
    """All once more, as a second scheduler does, and then in another order."""
    service = make_service(kafka, people=500)
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 501)])
    service.send(tasks)
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    service.send(tasks)
    service.send(tasks[::-1])
    service.wait(lambda: service.caught_up("tasks"))
    once(service, 500)
    assert kept(service) == (500, 0)
    assert run.progress()["done"] == 500


def test_a_task_that_comes_early_makes_the_run_kept_by_task(make_service, kafka):
    """Half the messages, then the last one of the plan, then all."""
    service = make_service(kafka, people=400)
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 401)])
    service.start(lanes=["tasks"])
    service.send(tasks[:200])
    service.wait(lambda: run.progress()["done"] == 200)
    assert kept(service) == (200, 0)
    service.send(tasks[300:])
    service.wait(lambda: run.progress()["done"] == 300)
    assert kept(service) == (0, 300)
    assert "came out of their order" in service.logs()
    service.send(tasks)
    service.wait(run.complete)
    once(service, 400)
    assert run.progress()["digest_matches"]
    service.check_ledger(service.events(repeats=True))


def test_what_the_plan_does_not_have_is_a_dead_letter(make_service, kafka):
    service = make_service(kafka, people=300)
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 101)])
    service.send([*tasks[:50], *[run.task("bump", n) for n in range(201, 206)], *tasks[50:]])
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    service.wait(lambda: service.database.value("select count(*) from rollcall.dead_letter") == 5)
    once(service, 100)
    assert service.database.rows("select distinct reason from rollcall.dead_letter") == [
        (
            "the run's plan does not have this task, and no task of it that was applied has it as"
            " its follow-up",
        )
    ]
    assert kept(service) == (100, 0)


def test_another_owner_goes_on_at_the_next_place(make_service, kafka):
    """Workers are killed in between; the places continue where they were committed."""
    service = make_service(kafka, people=6000, batch_max=100)
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 6001)])
    service.send(tasks[:3000])
    for _ in range(3):
        worker = service.start(lanes=["tasks"])
        before = run.progress()["done"]
        service.wait(lambda: run.progress()["done"] > before)  # noqa: B023
        worker.stopped = True
        worker.kill()
        service.send(tasks[3000:])
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    once(service, 6000)
    assert kept(service) == (6000, 0)
    service.check_ledger(service.events(repeats=True))


def test_a_batch_ends_where_the_run_is_kept_by_task(make_service, kafka):
    """The run becomes kept by task while a worker is in the middle of it."""
    service = make_service(kafka, people=6000, batch_max=50)
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 6001)])
    service.send(tasks)
    service.start(lanes=["tasks"])
    service.wait(lambda: run.progress()["done"] > 500)
    moved = service.database.value("select rollcall.keep_by_task(%s)", (run.no,))
    assert moved > 500
    service.send(tasks)
    service.wait(run.complete)
    service.wait(lambda: service.caught_up("tasks"))
    once(service, 6000)
    assert kept(service) == (0, 6000)
    service.check_ledger(service.events(repeats=True))


def test_what_an_earlier_version_has_taken_is_not_taken_again(make_service, kafka):
    """Its worker counted its tasks without their places."""
    service = make_service(kafka, people=200)
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 201)], placed=False)
    service.send(tasks[:100])
    worker = service.start(lanes=["tasks"])
    service.wait(lambda: run.progress()["done"] == 100)
    worker.stop()
    worker.stopped = True
    service.database.execute("update rollcall.progress set place = null")
    service.database.execute("delete from rollcall.plan")
    run.plan(tasks)
    service.send(tasks)
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    once(service, 200)
    assert kept(service) == (0, 200)

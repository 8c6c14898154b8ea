# SPDX-License-Identifier: Apache-2.0
"""Which messages a run takes: its own tasks while it is open, and what followed from them.
Whoever else names it gets a dead letter, and counts nowhere.
"""

from collections import Counter
from datetime import timedelta

import pytest
from worker_pack import NOON, Run
from worker_service import make_service  # noqa: F401


def reasons(service):
    return Counter(r[0] for r in service.database.rows("select reason from rollcall.dead_letter"))


def test_foreign_types_do_not_count_in_a_run(make_service, broker):
    """Of types that the job has not, known and unknown, and with arguments: dead letters, and
    the proof holds.
    """
    service = make_service(broker, people=200)
    run = Run(service, job="other")
    tasks = run.plan([run.task("bump", n) for n in range(1, 101)])
    foreign = [
        run.task("gate", 1),
        run.task("thanks", 2),
        run.task("nobody", 3),
        run.task("nobody.else", 4),
    ]
    with_arguments = run.task("bump", 101)._replace(arguments={"days": "9"})
    service.send(tasks[:50] + foreign + [with_arguments] + tasks[50:])
    service.send([run.task("grant", 5)], "urgent")
    service.start(lanes=["tasks", "urgent"])
    service.wait(run.complete)
    service.wait(lambda: service.position() == 105 and service.position("urgent") == 1)
    said = reasons(service)
    assert said.pop("a run's task has no arguments") == 1
    assert said == {
        f"club.{t} is no task type of the run's job club.other, nor a follow-up of one".replace(
            "club.nobody.else", "nobody.else"
        ): 1
        for t in ("gate", "thanks", "nobody", "nobody.else", "grant")
    }
    assert run.progress()["done"] == 100 and run.progress()["digest_matches"]
    assert service.database.value("select count(*) from journal where type <> 'bump'") == 0
    assert service.wait(lambda: len(service.letters()) == 6)
    service.check_ledger(service.events())
    service.stop_all()


def test_a_type_that_was_planned_is_taken_whatever_the_configuration_says(make_service, kafka):
    """A newer pack's scheduler has planned it: this worker's pack does not name it in the job."""
    service = make_service(kafka, people=10)
    run = Run(service, job="other")
    service.send(run.plan([run.task("bump", 1), run.task("gate", 2)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    assert (
        run.progress()["applied"] == 2 and run.progress()["digest_matches"] and not reasons(service)
    )
    service.stop_all()


@pytest.mark.parametrize("state", ["failed", "refused", "requested"])
def test_a_run_that_is_not_open_takes_nothing(make_service, kafka, state):
    service = make_service(kafka, people=20)
    run = Run(service, state=state)
    service.send([run.task("bump", n) for n in range(1, 11)])
    service.start(lanes=["tasks"])
    service.wait(lambda: service.position() == 10)
    assert reasons(service) == {f'the run takes no tasks: it is in state "{state}"': 10}
    assert (
        service.database.value("select sum(hits) from person") == 0 and run.progress()["done"] == 0
    )
    service.stop_all()


def test_repetitions_for_a_closed_run_are_nothing(make_service, kafka):
    """What has an outcome comes again after the end: neither an effect nor a dead letter; what
    comes for the first time is one.
    """
    service = make_service(kafka, people=60)
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 51)])
    service.send(tasks)
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    service.database.execute("update rollcall.run set state = 'failed', closed_at = now()")
    service.stop_all()
    service.start(lanes=["tasks"])
    service.send(tasks + [run.task("bump", 51)])
    service.wait(lambda: service.position() == 101)
    assert reasons(service) == {'the run takes no tasks: it is in state "failed"': 1}
    assert (
        service.database.value("select sum(hits) from person") == 50
        and run.progress()["done"] == 50
        and run.progress()["digest_matches"]
    )
    service.check_ledger(service.events())
    service.stop_all()


def test_a_cancelled_run_skips_its_own_and_refuses_others(make_service, kafka):
    service = make_service(kafka, people=20)
    run = Run(service, job="other", state="cancelled")
    service.send([run.task("bump", n) for n in range(1, 11)] + [run.task("gate", 11)])
    service.start(lanes=["tasks"])
    service.wait(lambda: service.position() == 11)
    assert (
        Counter(run.outcomes().values()) == {("skipped", "run cancelled"): 10}
        and sum(reasons(service).values()) == 1
    )
    service.stop_all()


def test_what_a_replay_spawns_after_the_end_is_done(make_service, kafka):
    """The closed run takes the follow-up that its replayed task names, and not the same type for
    another subject.
    """
    service = make_service(kafka, people=5)
    service.database.execute("update person set trap = 'zero' where id = 3")
    run = Run(service)
    service.send(run.plan([run.task("enrol", 3)]))
    service.start(lanes=["tasks", "urgent"])
    service.wait(lambda: run.progress()["quarantined"] == 1)
    service.database.execute("update rollcall.run set state = 'failed', closed_at = now()")
    service.database.execute("update person set trap = ''")
    service.stop_all()
    service.start(lanes=["tasks", "urgent"])
    service.send([run.task("welcome", 4)], "urgent")
    service.wait(lambda: service.position("urgent") == 1)
    service.rollcall("quarantine", "replay", "--all", "--yes")
    service.wait(lambda: run.outcomes("welcome") == {"3": ("applied", "")})
    assert reasons(service) == {'the run takes no tasks: it is in state "failed"': 1}
    service.stop_all()


def test_another_runs_tasks_beside(make_service, kafka):
    """Two runs in one batch, of which one is over: each task is judged by its own run."""
    service = make_service(kafka, people=100)
    open_run, closed = Run(service), Run(service, at=NOON + timedelta(hours=1), state="failed")
    tasks = open_run.plan([open_run.task("bump", n) for n in range(1, 101)])
    service.send(
        [t for pair in zip(tasks, [closed.task("bump", n) for n in range(1, 101)]) for t in pair]
    )
    service.start(lanes=["tasks"])
    service.wait(open_run.complete)
    service.wait(lambda: service.position() == 200)
    assert (
        sum(reasons(service).values()) == 100
        and closed.progress()["done"] == 0
        and service.database.value("select sum(hits) from person") == 100
    )
    service.stop_all()

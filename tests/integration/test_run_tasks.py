# SPDX-License-Identifier: Apache-2.0
"""Which messages a run takes: its own tasks while it is open, and what followed from them.
Whoever else names it gets a dead letter, and counts nowhere.
"""

from collections import Counter
from datetime import timedelta

import pytest
from worker_pack import NOON, Run
from worker_service import rig  # noqa: F401


def reasons(rig):
    return Counter(r[0] for r in rig.database.rows("select reason from rollcall.dead_letter"))


def test_foreign_types_do_not_count_in_a_run(rig, broker):
    """Of types that the job has not, known and unknown, and with arguments: dead letters, and
    the proof holds.
    """
    rig = rig(broker, people=200)
    run = Run(rig, job="other")
    tasks = run.plan([run.task("bump", n) for n in range(1, 101)])
    foreign = [
        run.task("gate", 1),
        run.task("thanks", 2),
        run.task("nobody", 3),
        run.task("nobody.else", 4),
    ]
    with_arguments = run.task("bump", 101)._replace(arguments={"days": "9"})
    rig.send(tasks[:50] + foreign + [with_arguments] + tasks[50:])
    rig.send([run.task("grant", 5)], "urgent")
    rig.start(lanes=["tasks", "urgent"])
    rig.wait(run.complete)
    rig.wait(lambda: rig.position() == 105 and rig.position("urgent") == 1)
    said = reasons(rig)
    assert said.pop("a run's task has no arguments") == 1
    assert said == {
        f"club.{t} is no task type of the run's job club.other, nor a follow-up of one".replace(
            "club.nobody.else", "nobody.else"
        ): 1
        for t in ("gate", "thanks", "nobody", "nobody.else", "grant")
    }
    assert run.progress()["done"] == 100 and run.progress()["digest_matches"]
    assert rig.database.value("select count(*) from journal where type <> 'bump'") == 0
    assert rig.wait(lambda: len(rig.letters()) == 6)
    rig.check_ledger(rig.events())
    rig.stop_all()


def test_a_type_that_was_planned_is_taken_whatever_the_configuration_says(rig, kafka):
    """A newer pack's scheduler has planned it: this worker's pack does not name it in the job."""
    rig = rig(kafka, people=10)
    run = Run(rig, job="other")
    rig.send(run.plan([run.task("bump", 1), run.task("gate", 2)]))
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    assert run.progress()["applied"] == 2 and run.progress()["digest_matches"] and not reasons(rig)
    rig.stop_all()


@pytest.mark.parametrize("state", ["failed", "refused", "requested"])
def test_a_run_that_is_not_open_takes_nothing(rig, kafka, state):
    rig = rig(kafka, people=20)
    run = Run(rig, state=state)
    rig.send([run.task("bump", n) for n in range(1, 11)])
    rig.start(lanes=["tasks"])
    rig.wait(lambda: rig.position() == 10)
    assert reasons(rig) == {f'the run takes no tasks: it is in state "{state}"': 10}
    assert rig.database.value("select sum(hits) from person") == 0 and run.progress()["done"] == 0
    rig.stop_all()


def test_repetitions_for_a_closed_run_are_nothing(rig, kafka):
    """What has an outcome comes again after the end: neither an effect nor a dead letter; what
    comes for the first time is one.
    """
    rig = rig(kafka, people=60)
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 51)])
    rig.send(tasks)
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    rig.database.execute("update rollcall.run set state = 'failed', closed_at = now()")
    rig.stop_all()
    rig.start(lanes=["tasks"])
    rig.send(tasks + [run.task("bump", 51)])
    rig.wait(lambda: rig.position() == 101)
    assert reasons(rig) == {'the run takes no tasks: it is in state "failed"': 1}
    assert (
        rig.database.value("select sum(hits) from person") == 50
        and run.progress()["done"] == 50
        and run.progress()["digest_matches"]
    )
    rig.check_ledger(rig.events())
    rig.stop_all()


def test_a_cancelled_run_skips_its_own_and_refuses_others(rig, kafka):
    rig = rig(kafka, people=20)
    run = Run(rig, job="other", state="cancelled")
    rig.send([run.task("bump", n) for n in range(1, 11)] + [run.task("gate", 11)])
    rig.start(lanes=["tasks"])
    rig.wait(lambda: rig.position() == 11)
    assert (
        Counter(run.outcomes().values()) == {("skipped", "run cancelled"): 10}
        and sum(reasons(rig).values()) == 1
    )
    rig.stop_all()


def test_what_a_replay_spawns_after_the_end_is_done(rig, kafka):
    """The closed run takes the follow-up that its replayed task names, and not the same type for
    another subject.
    """
    rig = rig(kafka, people=5)
    rig.database.execute("update person set trap = 'zero' where id = 3")
    run = Run(rig)
    rig.send(run.plan([run.task("enrol", 3)]))
    rig.start(lanes=["tasks", "urgent"])
    rig.wait(lambda: run.progress()["quarantined"] == 1)
    rig.database.execute("update rollcall.run set state = 'failed', closed_at = now()")
    rig.database.execute("update person set trap = ''")
    rig.stop_all()
    rig.start(lanes=["tasks", "urgent"])
    rig.send([run.task("welcome", 4)], "urgent")
    rig.wait(lambda: rig.position("urgent") == 1)
    rig.rollcall("quarantine", "replay", "--all", "--yes")
    rig.wait(lambda: run.outcomes("welcome") == {"3": ("applied", "")})
    assert reasons(rig) == {'the run takes no tasks: it is in state "failed"': 1}
    rig.stop_all()


def test_another_runs_tasks_beside(rig, kafka):
    """Two runs in one batch, of which one is over: each task is judged by its own run."""
    rig = rig(kafka, people=100)
    open_run, closed = Run(rig), Run(rig, at=NOON + timedelta(hours=1), state="failed")
    tasks = open_run.plan([open_run.task("bump", n) for n in range(1, 101)])
    rig.send(
        [t for pair in zip(tasks, [closed.task("bump", n) for n in range(1, 101)]) for t in pair]
    )
    rig.start(lanes=["tasks"])
    rig.wait(open_run.complete)
    rig.wait(lambda: rig.position() == 200)
    assert (
        sum(reasons(rig).values()) == 100
        and closed.progress()["done"] == 0
        and rig.database.value("select sum(hits) from person") == 100
    )
    rig.stop_all()

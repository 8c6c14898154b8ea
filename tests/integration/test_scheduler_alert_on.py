# SPDX-License-Identifier: Apache-2.0
"""Which ends of a run are told: alert_on, failures that are known, refusals by schedule, too few
planned.
"""

from datetime import timedelta

from scheduler_service import rig  # noqa: F401


def told(rig, *runs):
    """Once these runs' ends have been announced, and what follows from them is done: for which
    of them on_failure was.
    """
    rig.wait(lambda: all(rig.row(run, "notified_at is not null")[0] for run in runs))
    rig.wait(
        lambda: (
            {r for (r,) in rig.database.rows("select run from told")}
            >= {run for run in runs if rig.row(run, "alert")[0]}
        )
    )
    return [run in {r for (r,) in rig.database.rows("select run from told")} for run in runs]


def end(rig, job, *options):
    run = rig.ask(job, "--force", *options)
    return run, rig.until(run, "completed with errors", "succeeded", "failed")


def failures(rig):
    return {
        r
        for (r,) in rig.database.rows(
            "select subject from rollcall.outcome_named where type = 'club.told-failure'"
        )
    }


def test_failures_that_are_known_are_not_told_again(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.start()
    first, (state, reason) = end(rig, "mixed")
    assert (state, reason) == (
        "completed with errors",
        "1 failed, 0 quarantined and 0 unknown of 3 tasks",
    )
    second, (state, reason) = end(rig, "mixed")
    assert (state, reason) == (
        "completed with errors",
        "1 failed, 0 quarantined and 0 unknown of 3 tasks, all as in the run before",
    )
    rig.database.execute("update rollcall.outcome set reason = 'another one' where outcome = 2")
    third, (state, reason) = end(rig, "mixed")  # another reason for the same person is news
    assert reason == "1 failed, 0 quarantined and 0 unknown of 3 tasks"
    rig.wait(lambda: failures(rig) == {first, third})
    assert [rig.row(run, "alert")[0] for run in (first, second, third)] == [True, False, True]


def test_a_share_of_errors_raises_an_alert(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.start()
    fewer, _ = end(rig, "half")
    rig.database.execute("delete from person where id = 3")
    rig.database.execute("update rollcall.outcome set reason = 'else' where outcome = 2")
    half, _ = end(rig, "half")
    calm, (state, _) = end(rig, "calm")
    assert state == "completed with errors" and [
        rig.row(run, "alert")[0] for run in (fewer, half, calm)
    ] == [False, True, False]
    assert told(rig, fewer, half, calm) == [False, True, False]


def test_fewer_than_it_must_be(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.start()
    few, (state, reason) = end(rig, "few")
    assert (state, reason) == ("failed", "3 tasks were planned, and min_planned of the job is 4")
    assert rig.database.value("select count(*) from rollcall.plan") == 0 and told(rig, few) == [
        True
    ]
    rig.database.execute("insert into person (id) values (4)")
    assert end(rig, "few")[1] == ("succeeded", "")


def test_a_partial_run_by_hand_does_not_stop_the_scheduled_one(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.start()
    rig.until(rig.ask("soon", "--set", "step=2"), "succeeded")
    assert (
        rig.until(rig.ask("soon", "--set", "step=2"), "refused", "succeeded")[0] == "refused"
    )  # the same part again
    rig.slots("soon", timedelta(hours=24))
    rig.wait(
        lambda: [r[1] for r in rig.runs("soon") if r[2] != "manual"] in (["succeeded"], ["refused"])
    )
    assert [r[1] for r in rig.runs("soon") if r[2] != "manual"] == ["succeeded"]


def test_a_refusal_by_schedule_is_told(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.start()
    rig.until(rig.ask("soon"), "succeeded")
    by_hand = rig.ask("soon")
    assert rig.until(by_hand, "refused")[0] == "refused"
    rig.slots("soon", timedelta(hours=24))
    rig.wait(lambda: [r[1] for r in rig.runs("soon") if r[2] != "manual"] == ["refused"])
    scheduled = rig.database.value(
        "select run_id::text from rollcall.run where job = 'soon' and cause <> 'manual'"
    )
    assert told(rig, by_hand, scheduled) == [False, True]

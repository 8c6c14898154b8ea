# SPDX-License-Identifier: Apache-2.0
"""Which ends of a run are reported: alert_on, failures that are known, refusals by schedule, too
few planned.
"""

from datetime import timedelta

from scheduler_service import make_service  # noqa: F401


def change_reason(service, reason):
    """Of all that failed, wherever the ledger keeps it."""
    service.database.execute("select rollcall.keep_by_task(run_no) from rollcall.run")
    service.database.execute("update rollcall.outcome set reason = %s where outcome = 2", (reason,))


def told(service, *runs):
    """Once these runs' ends have been announced, and what follows from them is done: for which
    of them on_failure was.
    """
    service.wait(lambda: all(service.row(run, "notified_at is not null")[0] for run in runs))
    service.wait(
        lambda: (
            {r for (r,) in service.database.rows("select run from told")}
            >= {run for run in runs if service.row(run, "alert")[0]}
        )
    )
    return [run in {r for (r,) in service.database.rows("select run from told")} for run in runs]


def end(service, job, *options):
    run = service.ask(job, "--force", *options)
    return run, service.until(run, "completed with errors", "succeeded", "failed")


def failures(service):
    return {
        r
        for (r,) in service.database.rows(
            "select subject from rollcall.outcome_named where type = 'club.told-failure'"
        )
    }


def test_failures_that_are_known_are_not_reported_again(make_service, embedded):
    service = make_service(embedded, people=3)
    service.scheduler()
    service.start()
    first, (state, reason) = end(service, "mixed")
    assert (state, reason) == (
        "completed with errors",
        "1 failed, 0 quarantined and 0 unknown of 3 tasks",
    )
    second, (state, reason) = end(service, "mixed")
    assert (state, reason) == (
        "completed with errors",
        "1 failed, 0 quarantined and 0 unknown of 3 tasks, all as in the run before",
    )
    change_reason(service, "another one")
    third, (state, reason) = end(service, "mixed")  # another reason for the same person is news
    assert reason == "1 failed, 0 quarantined and 0 unknown of 3 tasks"
    service.wait(lambda: failures(service) == {first, third})
    assert [service.row(run, "alert")[0] for run in (first, second, third)] == [True, False, True]


def test_a_share_of_errors_raises_an_alert(make_service, embedded):
    service = make_service(embedded, people=3)
    service.scheduler()
    service.start()
    fewer, _ = end(service, "half")
    service.database.execute("delete from person where id = 3")
    change_reason(service, "else")
    half, _ = end(service, "half")
    calm, (state, _) = end(service, "calm")
    assert state == "completed with errors" and [
        service.row(run, "alert")[0] for run in (fewer, half, calm)
    ] == [False, True, False]
    assert told(service, fewer, half, calm) == [False, True, False]


def test_fewer_than_it_must_be(make_service, embedded):
    service = make_service(embedded, people=3)
    service.scheduler()
    service.start()
    few, (state, reason) = end(service, "few")
    assert (state, reason) == ("failed", "3 tasks were planned, and min_planned of the job is 4")
    assert service.database.value("select count(*) from rollcall.plan") == 0 and told(
        service, few
    ) == [True]
    service.database.execute("insert into person (id) values (4)")
    assert end(service, "few")[1] == ("succeeded", "")


def test_a_partial_run_by_hand_does_not_stop_the_scheduled_one(make_service, embedded):
    service = make_service(embedded, people=3)
    service.scheduler()
    service.start()
    service.until(service.ask("soon", "--set", "step=2"), "succeeded")
    assert (
        service.until(service.ask("soon", "--set", "step=2"), "refused", "succeeded")[0]
        == "refused"
    )  # the same part again
    service.slots("soon", timedelta(hours=24))
    service.wait(
        lambda: (
            [r[1] for r in service.runs("soon") if r[2] != "manual"] in (["succeeded"], ["refused"])
        )
    )
    assert [r[1] for r in service.runs("soon") if r[2] != "manual"] == ["succeeded"]


def test_a_refusal_by_schedule_is_reported(make_service, embedded):
    service = make_service(embedded, people=3)
    service.scheduler()
    service.start()
    service.until(service.ask("soon"), "succeeded")
    by_hand = service.ask("soon")
    assert service.until(by_hand, "refused")[0] == "refused"
    service.slots("soon", timedelta(hours=24))
    service.wait(lambda: [r[1] for r in service.runs("soon") if r[2] != "manual"] == ["refused"])
    scheduled = service.database.value(
        "select run_id::text from rollcall.run where job = 'soon' and cause <> 'manual'"
    )
    assert told(service, by_hand, scheduled) == [False, True]

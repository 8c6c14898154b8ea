# SPDX-License-Identifier: Apache-2.0
"""A closed run's state follows what becomes of its quarantined tasks."""

from scheduler_service import make_service  # noqa: F401


def quarantined_run(service, people=4):
    """Two of the people fail until their trap is removed."""
    service.database.execute("update person set trap = 'zero' where id <= 2")
    service.scheduler()
    service.start()
    run = service.ask("sweep")
    assert service.until(run, "completed with errors") == (
        "completed with errors",
        f"0 failed, 2 quarantined and 0 unknown of {people} tasks",
    )
    service.wait(lambda: service.row(run, "notified_at is not null")[0])
    service.database.execute("update person set trap = ''")
    return run


def test_replayed_to_the_end_it_succeeded(make_service, embedded):
    service = make_service(embedded, people=4)
    run = quarantined_run(service)
    service.rollcall("quarantine", "replay", "--subject", "1", "--yes")
    service.wait(
        lambda: (
            service.row(run)
            == ("completed with errors", "0 failed, 1 quarantined and 0 unknown of 4 tasks")
        )
    )
    service.rollcall("quarantine", "replay", "--all", "--yes")
    service.wait(lambda: service.row(run) == ("succeeded", ""))
    shown = service.rollcall("runs", "show", run)
    assert (
        "succeeded" in shown
        and "0 failed + 0 quarantined" in shown
        and "ok: every planned task" in shown
    )
    service.wait(
        lambda: (
            service.announced(run)[-2:]
            and [e["state"] for e in service.announced(run)][-2:]
            == ["completed with errors", "succeeded"]
        )
    )
    before, after = service.announced(run)[-2:]
    assert (before["quarantined"], after["quarantined"], after["applied"]) == (2, 0, 4) and before[
        "event_id"
    ] != after["event_id"]
    assert service.database.value("select count(*) from rollcall.recount") == 0


def test_dropped_it_succeeded_too(make_service, embedded):
    service = make_service(embedded, people=4)
    run = quarantined_run(service)
    service.rollcall("quarantine", "drop", "--all", "--yes")
    service.wait(lambda: service.row(run) == ("succeeded", ""))
    assert service.database.rows(
        "select applied, skipped, quarantined from rollcall.run_progress"
    ) == [(2, 2, 0)]


def test_a_replay_that_fails_again_leaves_it_as_it_is(make_service, embedded):
    service = make_service(embedded, people=4)
    run = quarantined_run(service)
    service.database.execute("update person set trap = 'zero' where id = 1")
    service.rollcall("quarantine", "replay", "--all", "--yes")
    service.wait(
        lambda: (
            service.row(run)
            == ("completed with errors", "0 failed, 1 quarantined and 0 unknown of 4 tasks")
        )
    )
    service.wait(lambda: service.database.value("select count(*) from rollcall.recount") == 0)

# SPDX-License-Identifier: Apache-2.0
"""A closed run's state follows what becomes of its quarantined tasks."""

from scheduler_service import rig  # noqa: F401


def quarantined_run(rig, people=4):
    """Two of the people fail until their trap is taken away."""
    rig.database.execute("update person set trap = 'zero' where id <= 2")
    rig.scheduler()
    rig.start()
    run = rig.ask("sweep")
    assert rig.until(run, "completed with errors") == (
        "completed with errors",
        f"0 failed, 2 quarantined and 0 unknown of {people} tasks",
    )
    rig.wait(lambda: rig.row(run, "notified_at is not null")[0])
    rig.database.execute("update person set trap = ''")
    return run


def test_replayed_to_the_end_it_succeeded(rig, embedded):
    rig = rig(embedded, people=4)
    run = quarantined_run(rig)
    rig.rollcall("quarantine", "replay", "--subject", "1", "--yes")
    rig.wait(
        lambda: (
            rig.row(run)
            == ("completed with errors", "0 failed, 1 quarantined and 0 unknown of 4 tasks")
        )
    )
    rig.rollcall("quarantine", "replay", "--all", "--yes")
    rig.wait(lambda: rig.row(run) == ("succeeded", ""))
    shown = rig.rollcall("runs", "show", run)
    assert (
        "succeeded" in shown
        and "0 failed + 0 quarantined" in shown
        and "ok: every planned task" in shown
    )
    rig.wait(
        lambda: (
            rig.announced(run)[-2:]
            and [e["state"] for e in rig.announced(run)][-2:]
            == ["completed with errors", "succeeded"]
        )
    )
    before, after = rig.announced(run)[-2:]
    assert (before["quarantined"], after["quarantined"], after["applied"]) == (2, 0, 4) and before[
        "event_id"
    ] != after["event_id"]
    assert rig.database.value("select count(*) from rollcall.recount") == 0


def test_dropped_it_succeeded_too(rig, embedded):
    rig = rig(embedded, people=4)
    run = quarantined_run(rig)
    rig.rollcall("quarantine", "drop", "--all", "--yes")
    rig.wait(lambda: rig.row(run) == ("succeeded", ""))
    assert rig.database.rows("select applied, skipped, quarantined from rollcall.run_progress") == [
        (2, 2, 0)
    ]


def test_a_replay_that_fails_again_leaves_it_as_it_is(rig, embedded):
    rig = rig(embedded, people=4)
    run = quarantined_run(rig)
    rig.database.execute("update person set trap = 'zero' where id = 1")
    rig.rollcall("quarantine", "replay", "--all", "--yes")
    rig.wait(
        lambda: (
            rig.row(run)
            == ("completed with errors", "0 failed, 1 quarantined and 0 unknown of 4 tasks")
        )
    )
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.recount") == 0)

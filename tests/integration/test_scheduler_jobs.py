# SPDX-License-Identifier: Apache-2.0
"""Schedules, and jobs that are refused, fail, take too long or overlap."""

import re
import time
from datetime import UTC, datetime, timedelta, timezone

from scheduler_service import rig  # noqa: F401


# ---- schedules ----
def test_slots_missed_while_nobody_was_there(rig, embedded):
    rig = rig(embedded, people=3)
    rig.slots("sweep", timedelta(days=3))  # catch_up latest
    rig.slots("hourly", timedelta(hours=5))  # all
    rig.slots("punctual", timedelta(hours=5))  # none
    rig.slots("off", timedelta(days=3))  # suspended by the configuration
    rig.rollcall("jobs", "suspend", "club.daily")
    rig.slots("daily", timedelta(days=3))
    s = rig.scheduler()
    rig.wait(lambda: [r[1] for r in rig.runs("hourly")] == ["published"] * 5)
    rig.wait(lambda: [r[1] for r in rig.runs("sweep")] == ["published"])
    assert all(r[0].minute == 0 for r in rig.runs("hourly"))
    late = datetime.now(UTC) - rig.runs("sweep")[0][0] > timedelta(minutes=1)
    assert rig.runs("sweep")[0][2] == ("catch_up" if late else "schedule")
    if datetime.now(UTC).minute > 1:
        assert rig.runs("punctual") == []
    assert rig.runs("off") == [] and rig.runs("daily") == []
    assert re.search(r'slots skipped" job=club.off count=3', s.text()) and re.search(
        r'slots skipped" job=club.daily count=3', s.text()
    )
    assert re.search(r'slots skipped" job=club.sweep count=2', s.text())
    run = rig.ask("daily")  # by hand all the same
    rig.until(run, "published")


def test_first_start_runs_nothing_from_before(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.wait(
        lambda: (
            rig.database.value("select count(*) from rollcall.job where considered_at is not null")
            >= 5
        )
    )
    time.sleep(0.5)
    assert rig.database.value("select count(*) from rollcall.run") == 0


def test_jitter_delays_the_start(rig, embedded):
    rig = rig(embedded, people=3)
    rig.slots("later", timedelta(days=1))
    rig.scheduler()
    rig.wait(lambda: rig.runs("later"))
    slot, not_before = rig.database.rows(
        "select scheduled_at, not_before from rollcall.run where job = 'later'"
    )[0]
    assert slot <= not_before <= slot + timedelta(hours=9)
    if not_before > datetime.now(UTC) + timedelta(seconds=2):
        time.sleep(1)
        assert rig.runs("later")[0][1] == "requested"
        rig.database.execute("update rollcall.run set not_before = now() where job = 'later'")
    rig.wait(lambda: rig.runs("later")[0][1] == "published")


def test_a_run_within_the_minimum_interval_is_refused(rig, embedded):
    """Refused within 23 h; forced it runs; a dry run neither counts nor is refused."""
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.until(rig.ask("daily", "--dry-run"), "published")
    rig.until(rig.ask("daily"), "published")
    rig.start(lanes=["tasks", "urgent"])
    rig.wait(lambda: {r[1] for r in rig.runs("daily")} == {"succeeded"})
    again = rig.ask("daily")
    state, reason = rig.until(again, "refused")
    assert "less than 23h before" in reason and "--force" in reason
    rig.until(rig.ask("daily", "--dry-run"), "succeeded")
    rig.until(rig.ask("daily", "--force"), "succeeded")
    rig.wait(lambda: rig.row(again, "notified_at is not null")[0])
    assert [e["state"] for e in rig.announced(again)] == ["refused"]


def test_a_run_into_the_future_is_refused_by_the_scheduler(rig, embedded):
    """Whoever wrote it down; and it does not count as the last run."""
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.database.execute(
        "insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,"
        " dry_run) values (gen_random_uuid(), 'club', 'daily', now() + interval '2 hours',"
        " current_date, 'manual', 'x', false)"
    )
    rig.wait(lambda: [(r[1], r[2]) for r in rig.runs("daily")] == [("refused", "manual")])
    assert "is in the future" in rig.runs("daily")[0][3]
    ahead = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    rig.until(rig.ask("daily", "--dry-run", "--at", ahead), "published")
    rig.until(rig.ask("daily"), "published")


# ---- refusals, failures, limits ----
def test_a_run_is_refused_while_its_precondition_fails(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    assert rig.until(rig.ask("guarded"), "refused", "published") == (
        "refused",
        "nobody signed the log",
    )
    rig.database.execute("insert into club_log values ('me')")
    assert rig.until(rig.ask("guarded"), "refused", "published") == ("published", "")


def test_a_due_statement_that_fails_stops_its_run_only(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.start(lanes=["tasks", "urgent"])
    bad, null, good = rig.ask("broken"), rig.ask("nameless"), rig.ask("sweep")
    state, reason = rig.until(bad, "failed")
    assert (
        "bad.due.sql" in reason
        and 'relation "persons" does not exist' in reason
        and "42P01" in reason
    )
    state, reason = rig.until(null, "failed")
    assert "null.due.sql: a row has no subject" in reason
    rig.until(good, "succeeded")
    rig.wait(lambda: rig.database.rows("select run from told") == [(bad,)])
    assert (
        rig.database.value(
            "select count(*) from rollcall.plan where run_no in (select run_no from rollcall.run"
            " where state = 'failed')"
        )
        == 0
    )


def test_a_slow_due_statement_delays_nobody_and_ends_with_its_time_limit(rig, embedded):
    rig = rig(embedded, people=3)
    s = rig.scheduler()
    rig.start(lanes=["tasks", "urgent"])
    slow = rig.ask("slow")
    rig.wait(
        lambda: rig.database.value(
            "select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"
        )
    )
    rig.until(rig.ask("sweep"), "published")
    assert rig.state(slow) == "requested"
    assert rig.until(slow, "cancelled")[1].startswith("time limit")
    rig.wait(lambda: rig.database.rows("select run from told") == [(slow,)])
    slow = rig.ask("slow")
    rig.wait(
        lambda: rig.database.value(
            "select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"
        )
    )
    started = time.monotonic()
    assert rig.stop(s) == 0 and time.monotonic() - started < 5  # in the middle of it


def test_time_limit_of_a_run(rig, embedded):
    """What is left of it is skipped by the workers."""
    rig = rig(embedded, people=20, batch_max=5)
    with rig.database.connect() as gate:
        gate.execute("select pg_advisory_lock(77)")
        rig.scheduler()
        run = rig.ask("limited")
        rig.until(run, "published")
        rig.start(lanes=["tasks", "urgent"])
        assert rig.until(run, "cancelled") == ("cancelled", "time limit of 3 s")
        gate.execute("select pg_advisory_unlock(77)")
    rig.wait(
        lambda: (
            rig.database.value("select done from rollcall.run_progress where run_id = %s", (run,))
            == 20
        )
    )
    skipped = rig.database.value(
        "select count(*) from rollcall.outcome_named where outcome = 'skipped' and reason = 'run"
        " cancelled'"
    )
    assert skipped >= 10
    rig.wait(lambda: rig.database.value("select count(*) from told where run = %s", (run,)) == 2)
    rig.wait(lambda: [e["state"] for e in rig.announced(run)][-1] == "cancelled")


def test_each_concurrency_policy_is_kept(rig, embedded):
    rig = rig(embedded, people=2)
    rig.scheduler()
    first = rig.ask("alone")
    rig.until(first, "published")
    assert "still open" in rig.until(rig.ask("alone"), "refused")[1]
    rig.until(rig.ask("alone", "--dry-run"), "published")
    rig.until(rig.ask("alone", "--force"), "published")
    first = rig.ask("replaced")
    rig.until(first, "published")
    second = rig.ask("replaced")
    assert rig.until(first, "cancelled") == ("cancelled", f"replaced by run {second}")
    rig.until(second, "published")

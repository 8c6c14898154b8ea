# SPDX-License-Identifier: Apache-2.0
"""Schedules, and jobs that are refused, fail, take too long or overlap."""

import re
import time
from datetime import UTC, datetime, timedelta, timezone

from scheduler_service import make_service  # noqa: F401


# ---- schedules ----
def test_slots_missed_while_nobody_was_there(make_service, embedded):
    service = make_service(embedded, people=3)
    service.slots("sweep", timedelta(days=3))  # catch_up latest
    service.slots("hourly", timedelta(hours=5))  # all
    service.slots("punctual", timedelta(hours=5))  # none
    service.slots("off", timedelta(days=3))  # suspended by the configuration
    service.rollcall("jobs", "suspend", "club.daily")
    service.slots("daily", timedelta(days=3))
    s = service.scheduler()
    service.wait(lambda: [r[1] for r in service.runs("hourly")] == ["published"] * 5)
    service.wait(lambda: [r[1] for r in service.runs("sweep")] == ["published"])
    assert all(r[0].minute == 0 for r in service.runs("hourly"))
    late = datetime.now(UTC) - service.runs("sweep")[0][0] > timedelta(minutes=1)
    assert service.runs("sweep")[0][2] == ("catch_up" if late else "schedule")
    if datetime.now(UTC).minute > 1:
        assert service.runs("punctual") == []
    assert service.runs("off") == [] and service.runs("daily") == []
    assert re.search(r'slots skipped" job=club.off count=3', s.text()) and re.search(
        r'slots skipped" job=club.daily count=3', s.text()
    )
    assert re.search(r'slots skipped" job=club.sweep count=2', s.text())
    run = service.ask("daily")  # by hand all the same
    service.until(run, "published")


def test_first_start_runs_nothing_from_before(make_service, embedded):
    service = make_service(embedded, people=3)
    service.scheduler()
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from rollcall.job where considered_at is not null"
            )
            >= 5
        )
    )
    time.sleep(0.5)
    assert service.database.value("select count(*) from rollcall.run") == 0


def test_jitter_delays_the_start(make_service, embedded):
    service = make_service(embedded, people=3)
    service.slots("later", timedelta(days=1))
    service.scheduler()
    service.wait(lambda: service.runs("later"))
    slot, not_before = service.database.rows(
        "select scheduled_at, not_before from rollcall.run where job = 'later'"
    )[0]
    assert slot <= not_before <= slot + timedelta(hours=9)
    if not_before > datetime.now(UTC) + timedelta(seconds=2):
        time.sleep(1)
        assert service.runs("later")[0][1] == "requested"
        service.database.execute("update rollcall.run set not_before = now() where job = 'later'")
    service.wait(lambda: service.runs("later")[0][1] == "published")


def test_a_run_within_the_minimum_interval_is_refused(make_service, embedded):
    """Refused within 23 h; forced it runs; a dry run neither counts nor is refused."""
    service = make_service(embedded, people=3)
    service.scheduler()
    service.until(service.ask("daily", "--dry-run"), "published")
    service.until(service.ask("daily"), "published")
    service.start(lanes=["tasks", "urgent"])
    service.wait(lambda: {r[1] for r in service.runs("daily")} == {"succeeded"})
    again = service.ask("daily")
    state, reason = service.until(again, "refused")
    assert "less than 23h before" in reason and "--force" in reason
    service.until(service.ask("daily", "--dry-run"), "succeeded")
    service.until(service.ask("daily", "--force"), "succeeded")
    service.wait(lambda: service.row(again, "notified_at is not null")[0])
    assert [e["state"] for e in service.announced(again)] == ["refused"]


def test_a_run_into_the_future_is_refused_by_the_scheduler(make_service, embedded):
    """Whoever wrote it down; and it does not count as the last run."""
    service = make_service(embedded, people=3)
    service.scheduler()
    service.database.execute(
        "insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,"
        " dry_run) values (gen_random_uuid(), 'club', 'daily', now() + interval '2 hours',"
        " current_date, 'manual', 'x', false)"
    )
    service.wait(lambda: [(r[1], r[2]) for r in service.runs("daily")] == [("refused", "manual")])
    assert "is in the future" in service.runs("daily")[0][3]
    ahead = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    service.until(service.ask("daily", "--dry-run", "--at", ahead), "published")
    service.until(service.ask("daily"), "published")


# ---- refusals, failures, limits ----
def test_a_run_is_refused_while_its_precondition_fails(make_service, embedded):
    service = make_service(embedded, people=3)
    service.scheduler()
    assert service.until(service.ask("guarded"), "refused", "published") == (
        "refused",
        "nobody signed the log",
    )
    service.database.execute("insert into club_log values ('me')")
    assert service.until(service.ask("guarded"), "refused", "published") == ("published", "")


def test_a_due_statement_that_fails_stops_its_run_only(make_service, embedded):
    service = make_service(embedded, people=3)
    service.scheduler()
    service.start(lanes=["tasks", "urgent"])
    bad, null, good = service.ask("broken"), service.ask("nameless"), service.ask("sweep")
    state, reason = service.until(bad, "failed")
    assert (
        "bad.due.sql" in reason
        and 'relation "persons" does not exist' in reason
        and "42P01" in reason
    )
    state, reason = service.until(null, "failed")
    assert "null.due.sql: a row has no subject" in reason
    service.until(good, "succeeded")
    service.wait(lambda: service.database.rows("select run from told") == [(bad,)])
    assert (
        service.database.value(
            "select count(*) from rollcall.plan where run_no in (select run_no from rollcall.run"
            " where state = 'failed')"
        )
        == 0
    )


def test_a_slow_due_statement_delays_nobody_and_ends_with_its_time_limit(make_service, embedded):
    service = make_service(embedded, people=3)
    s = service.scheduler()
    service.start(lanes=["tasks", "urgent"])
    slow = service.ask("slow")
    service.wait(
        lambda: service.database.value(
            "select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"
        )
    )
    service.until(service.ask("sweep"), "published")
    assert service.state(slow) == "requested"
    assert service.until(slow, "cancelled")[1].startswith("time limit")
    service.wait(lambda: service.database.rows("select run from told") == [(slow,)])
    slow = service.ask("slow")
    service.wait(
        lambda: service.database.value(
            "select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"
        )
    )
    started = time.monotonic()
    assert service.stop(s) == 0 and time.monotonic() - started < 5  # in the middle of it


def test_time_limit_of_a_run(make_service, embedded):
    """What is left of it is skipped by the workers."""
    service = make_service(embedded, people=20, batch_max=5)
    with service.database.connect() as gate:
        gate.execute("select pg_advisory_lock(77)")
        service.scheduler()
        run = service.ask("limited")
        service.until(run, "published")
        service.start(lanes=["tasks", "urgent"])
        assert service.until(run, "cancelled") == ("cancelled", "time limit of 3 s")
        gate.execute("select pg_advisory_unlock(77)")
    service.wait(
        lambda: (
            service.database.value(
                "select done from rollcall.run_progress where run_id = %s", (run,)
            )
            == 20
        )
    )
    skipped = service.database.value(
        "select count(*) from rollcall.outcome_named where outcome = 'skipped' and reason = 'run"
        " cancelled'"
    )
    assert skipped >= 10
    service.wait(
        lambda: service.database.value("select count(*) from told where run = %s", (run,)) == 2
    )
    service.wait(lambda: [e["state"] for e in service.announced(run)][-1] == "cancelled")


def test_each_concurrency_policy_is_kept(make_service, embedded):
    service = make_service(embedded, people=2)
    service.scheduler()
    first = service.ask("alone")
    service.until(first, "published")
    assert "still open" in service.until(service.ask("alone"), "refused")[1]
    service.until(service.ask("alone", "--dry-run"), "published")
    service.until(service.ask("alone", "--force"), "published")
    first = service.ask("replaced")
    service.until(first, "published")
    second = service.ask("replaced")
    assert service.until(first, "cancelled") == ("cancelled", f"replaced by run {second}")
    service.until(second, "published")

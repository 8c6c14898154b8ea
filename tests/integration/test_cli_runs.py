# SPDX-License-Identifier: Apache-2.0
"""The operator's tool on jobs and runs."""

import re
import subprocess
import time
from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
from cli_service import make_run, offline, service  # noqa: F401
from harness.paths import program


def may_act_for_others(database):
    database.execute(
        "insert into rollcall.authority (right_name, role_name) values ('act_for_others',"
        " current_user) on conflict do nothing"
    )


def job(service, name, *args):
    return next(j for j in service.json("jobs", "list", *args) if j["job"] == f"guild.{name}")


def test_jobs_list_knows_zones_and_dst(service):
    """Norway went to summer time on 2026-03-29 at 02:00: 02:30 does not exist, and is made up
    for right after the gap.
    """
    nightly = job(service, "nightly", "--after", "2026-03-27T12:00:00Z", "--next", "3")
    assert nightly["next"] == [
        "2026-03-28T02:30:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    nightly = job(service, "nightly", "--after", "2026-10-24T12:00:00Z", "--next", "2")
    assert nightly["next"] == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ], "a repeated time runs once, the first time"
    reminders = job(service, "reminders", "--after", "2026-03-27T12:00:00Z")
    assert (
        reminders["next"] == ["2026-03-30T08:00:00-03:00"]
        and reminders["time_zone"] == "America/Sao_Paulo"
    )
    assert job(service, "by-hand")["next"] == [] and job(service, "by-hand")["schedule"] is None
    table = service.rollcall("jobs", "list", "--after", "2026-03-27T12:00:00Z")
    assert "2026-03-30T08:00:00-03:00" in table and "by hand" in table
    service.rollcall("jobs", "list", "--after", "tomorrow", code=2)


def test_suspend_and_resume(service, database):
    may_act_for_others(database)
    assert job(service, "reminders")["suspended_by"] == "the configuration"
    service.rollcall("jobs", "suspend", "nightly", "--actor", "ops:eva", "--reason", "audit")
    shown = job(service, "nightly")
    assert (
        shown["suspended"],
        shown["suspended_by"],
        shown["suspended_reason"],
        shown["suspended_with_all"],
    ) == (True, "rollcall for ops:eva", "audit", False)
    assert "suspended by rollcall for ops:eva: audit" in service.rollcall("jobs", "list")
    assert service.rollcall("jobs", "resume", "guild.nightly") == "guild.nightly: resumed\n"
    assert not job(service, "nightly")["suspended"]
    assert service.rollcall("jobs", "resume", "guild.nightly") == "guild.nightly: not suspended\n"
    assert database.rows(
        "select kind, about, on_behalf_of, detail->>'reason' from rollcall.request order by"
        " request_no limit 2"
    ) == [
        ("suspend jobs", "guild.nightly", "ops:eva", "audit"),
        ("resume jobs", "guild.nightly", None, None),
    ]
    service.rollcall("jobs", "suspend", "--all")
    assert all(j["suspended"] for j in service.json("jobs", "list"))
    assert database.value("select bool_and(suspended_by = session_user) from rollcall.job")
    service.rollcall("jobs", "resume", "--all")
    assert database.value("select count(*) from rollcall.job where suspended") == 0
    service.rollcall("jobs", "suspend", "nope", code=5)
    service.rollcall("jobs", "suspend", code=2)
    service.rollcall("jobs", "suspend", "nightly", "--all", code=2)
    service.rollcall("jobs", "suspend", "nightly", "--reason", " ", code=2)


def test_resume_all_leaves_alone_what_was_suspended_by_its_own_name(service, database):
    service.rollcall("jobs", "suspend", "nightly", "--reason", "the purge waits for the audit")
    service.rollcall("jobs", "suspend", "--all", "--reason", "moving house")
    assert (
        job(service, "nightly")["suspended_reason"],
        job(service, "by-hand")["suspended_reason"],
    ) == ("the purge waits for the audit", "moving house")
    text = service.rollcall("jobs", "resume", "--all")
    assert (
        "guild.nightly: stays suspended by rollcall: the purge waits for the audit" in text
        and "guild.by-hand: resumed" in text
    )
    assert "guild.reminders: stays suspended by the configuration" in text
    assert database.rows("select job from rollcall.job where suspended") == [("nightly",)]
    service.rollcall("jobs", "suspend", "--all")
    service.rollcall("jobs", "suspend", "by-hand", "--reason", "on its own, too")
    service.rollcall("jobs", "resume", "--all")
    assert database.rows("select job from rollcall.job where suspended order by 1") == [
        ("by-hand",),
        ("nightly",),
    ]
    service.rollcall("jobs", "suspend", "--all")
    service.rollcall("jobs", "resume", "nightly")
    assert not job(service, "nightly")["suspended"]


def test_a_job_that_the_configuration_suspends(service):
    shown = {j["job"]: j for j in service.json("status", code=4)["jobs"]}
    assert (
        shown["reminders"]["suspended"],
        shown["reminders"]["suspended_by"],
        shown["reminders"]["suspended_reason"],
    ) == (True, "the configuration", "suspend = true")
    service.rollcall("jobs", "resume", "reminders", code=7)
    assert "suspended by the configuration" in service.err


def test_jobs_run_asks_for_a_run(service, database):
    may_act_for_others(database)
    asked = service.json(
        "jobs",
        "run",
        "by-hand",
        "--dry-run",
        "--force",
        "--set",
        "grace_days=3",
        "--at",
        "2026-02-01T00:00:00+01:00",
        "--actor",
        "ops:eva",
    )
    row = database.rows(
        "select run_id, pack, job, scheduled_at, cause, requested_by, settings, dry_run, force,"
        " state from rollcall.run"
    )
    assert len(row) == 1
    run_id, pack, name, at, cause, by, settings, dry, force, state = row[0]
    assert (str(run_id), pack, name, cause, by, dry, force, state) == (
        asked["run_id"],
        "guild",
        "by-hand",
        "manual",
        "rollcall",
        True,
        True,
        "requested",
    )
    assert at.isoformat() == "2026-01-31T23:00:00+00:00" and settings == {"grace_days": "3"}
    assert re.search(
        r"cause +manual, by rollcall for ops:eva\n",
        service.rollcall("runs", "show", asked["run_id"]),
    )
    again = service.json("jobs", "run", "by-hand", "--at", "2026-01-31T23:00:00Z", "--yes")
    assert again == {"run_id": asked["run_id"], "job": "guild.by-hand", "new": False}
    assert "is a dry run, which changes nothing: give another --at" in service.err
    service.rollcall(
        "jobs", "run", "by-hand", "--at", "2026-01-31T23:00:00Z", "--yes", "--wait", code=7
    )  # not the end of another one
    service.rollcall(
        "jobs",
        "run",
        "by-hand",
        "--at",
        "2026-01-31T23:00:00Z",
        "--dry-run",
        "--set",
        "grace_days=4",
    )
    assert "one with other settings" in service.err
    assert database.rows(
        "select kind, actor = session_user, on_behalf_of, about, detail->>'job' from"
        " rollcall.request"
    ) == [("run", True, "ops:eva", asked["run_id"], "guild.by-hand")]
    service.rollcall("jobs", "run", "by-hand", "--set", "grace_days=1000", code=2)
    service.rollcall("jobs", "run", "by-hand", "--set", "colour=red", code=2)
    service.rollcall("jobs", "run", "nope", code=5)
    service.rollcall("jobs", "run", "by-hand", "--wait", "--timeout", "300ms", code=6)
    assert "stopped waiting" in service.err


def test_a_run_into_the_future_is_refused(service, database):
    """By the tool and by the database; a dry run may look ahead, and is nobody's last run."""
    future = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    service.rollcall("jobs", "run", "by-hand", "--at", future, "--yes", code=7)
    assert "in the future" in service.err and "--dry-run" in service.err
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute(
            "select rollcall.request_run(gen_random_uuid(), 'guild', 'by-hand', clock_timestamp() +"
            " interval '1 s', '{}', false, false, null, null)"
        )
    assert database.value("select count(*) from rollcall.run") == 0
    ahead = service.json("jobs", "run", "by-hand", "--at", future, "--dry-run")
    assert ahead["new"] and job(service, "by-hand")["last_run"] is None
    now = service.json("jobs", "run", "by-hand")
    service.json("jobs", "run", "by-hand", "--dry-run")
    assert job(service, "by-hand")["last_run"]["run_id"] == now["run_id"], (
        "neither a dry run nor a future one"
    )
    table = service.rollcall("status", code=4)  # Kafka is unavailable
    line = next(line for line in table.splitlines() if line.startswith("guild.by-hand"))
    assert "requested" in line and "dry run" not in line
    database.execute("delete from rollcall.run where not dry_run")
    line = next(
        line
        for line in service.rollcall("status", code=4).splitlines()
        if line.startswith("guild.by-hand")
    )
    assert "never" in line


def test_a_distant_instant_is_named_and_asked_about(service, database):
    """A year mistyped backward decides as of then."""
    service.rollcall("jobs", "run", "by-hand", "--at", "2025-02-01T00:00:00+01:00", code=7)
    assert (
        "2025-02-01T00:00:00+01:00" in service.err
        and "days before now" in service.err
        and "--yes" in service.err
    )
    assert database.value("select count(*) from rollcall.run") == 0
    assert service.json("jobs", "run", "by-hand", "--at", "2025-02-01T00:00:00+01:00", "--yes")[
        "new"
    ]
    lately = (datetime.now(UTC) - timedelta(hours=20)).isoformat()
    assert service.json("jobs", "run", "by-hand", "--at", lately)["new"], "not asked about"


def test_runs_list_and_show(service, database):
    done = make_run(
        database,
        "completed with errors",
        outcomes=[("1", 0, ""), ("2", 1, "not eligible"), ("3", 2, "division by zero")],
    )
    other = make_run(database, "published", outcomes=[("1", 0, "")], planned=3)
    listed = service.json("runs", "list")
    assert [r["run_id"] for r in listed] == [other, done]
    assert [
        r["run_id"] for r in service.json("runs", "list", "--state", "completed with errors")
    ] == [done]
    assert [
        r["run_id"] for r in service.json("runs", "list", "--job", "nightly", "--limit", "1")
    ] == [other]
    assert service.json("runs", "list", "--job", "reminders") == []

    shown = service.json("runs", "show", done)
    assert (
        shown["complete"]
        and (shown["applied"], shown["skipped"], shown["failed"]) == (1, 1, 1)
        and shown["planned"] == shown["done"] == 3
    )
    assert {(r["outcome"], r["reason"], r["count"]) for r in shown["reasons"]} == {
        ("applied", "", 1),
        ("skipped", "not eligible", 1),
        ("failed", "division by zero", 1),
    }
    assert [(s["subject"], s["reason"]) for s in shown["subjects"]] == [("3", "division by zero")]
    assert [
        s["subject"] for s in service.json("runs", "show", done, "--outcome", "applied")["subjects"]
    ] == ["1"]
    text = service.rollcall("runs", "show", done[:13])
    assert "3 = 1 applied + 1 skipped + 1 failed" in text and "division by zero" in text

    open_run = service.json("runs", "show", "nightly", "--missing")
    assert open_run["run_id"] == other and not open_run["complete"]
    assert [m["subject"] for m in open_run["missing"]] == ["m0", "m1"]
    assert "2 tasks without an outcome so far" in service.rollcall("runs", "show", "guild.nightly")
    service.rollcall("runs", "show", done, "--outcome", "great", code=2)
    service.rollcall("runs", "list", "--state", "great", code=2)
    service.rollcall("runs", "show", "ffffffff", code=5)
    service.rollcall("runs", "show", "abc", code=5)


def test_runs_show_dry_run_lists_the_changes(service, database):
    tried = make_run(database, "succeeded", dry_run=True, outcomes=[("1", 0, ""), ("2", 0, "")])
    shown = service.json("runs", "show", tried)
    assert [(c["subject"], c["before"], c["after"]) for c in shown["changes"]] == [
        ("1", "basic", "lapsed"),
        ("2", "basic", "lapsed"),
    ]
    assert "What would change" in service.rollcall(
        "runs", "show", tried
    ) and "nothing was changed" in service.rollcall("runs", "show", tried)
    assert "the first 1" in service.rollcall("runs", "show", tried, "--limit", "1")


def test_runs_show_ambiguous_prefix(service, database):
    a, b = (make_run(database, outcomes=[("1", 0, "")]) for _ in range(2))
    database.execute(
        "update rollcall.run set run_id = overlay(run_id::text placing 'abcdabcd' from 1)::uuid"
    )
    service.rollcall("runs", "show", "abcdabcd", code=2)
    assert "several run ids" in service.err
    service.rollcall("runs", "show", "abcdabcd" + a[8:])


@pytest.mark.parametrize(
    "state, code",
    [
        ("succeeded", 0),
        ("completed with errors", 1),
        ("failed", 1),
        ("refused", 7),
        ("cancelled", 7),
    ],
)
def test_runs_watch_ends_with_the_run(service, database, state, code, tmp_path):
    made = make_run(database, "published", outcomes=[("1", 0, "")])
    with open(tmp_path / "err", "w+") as err:
        watching = subprocess.Popen(
            [program("rollcall"), "-c", str(service.file), "runs", "watch", made],
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
        end = time.monotonic() + 60
        while "published" not in (tmp_path / "err").read_text():
            assert watching.poll() is None and time.monotonic() < end, (
                tmp_path / "err"
            ).read_text()
            time.sleep(0.02)
        database.execute("update rollcall.run set state = %s, closed_at = now()", (state,))
        out, _ = watching.communicate(timeout=60)
    assert watching.returncode == code, (tmp_path / "err").read_text()
    assert state in out
    service.rollcall("runs", "watch", made, code=code)


def test_runs_republish(service, database):
    made = make_run(database, "published", outcomes=[("1", 0, "")], planned=2)
    with database.connect() as listener:
        listener.execute("listen rollcall_run")
        assert service.json("runs", "republish", made) == {"run_id": made, "chunks": 1}
        assert [n.channel for n in listener.notifies(timeout=30, stop_after=1)] == ["rollcall_run"]
    assert database.rows("select state, chunks_published from rollcall.run") == [("planned", 0)]
    database.execute("update rollcall.run set state = 'succeeded', closed_at = now()")
    service.rollcall("runs", "republish", made, code=7)
    assert database.value("select state from rollcall.run") == "succeeded"

# SPDX-License-Identifier: Apache-2.0
"""A mistyped command does not destroy: what is destructive asks, and what is larger than it
should be is held for review.
"""

import json
import os
import pty
import subprocess
import time
from datetime import timedelta

import psycopg
import pytest
from harness.paths import program
from scheduler_service import make_service  # noqa: F401


def tool(service, *args, answer=None):
    """Exit code, standard output and standard error; `answer` is typed at a terminal."""
    keyboard, terminal = pty.openpty() if answer is not None else (None, subprocess.DEVNULL)
    if answer is not None:
        os.write(keyboard, f"{answer}\n".encode())
    done = subprocess.run(
        [program("rollcall"), "-c", str(service.config), *map(str, args)],
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if answer is not None:
        os.close(terminal)
        os.close(keyboard)
    return done.returncode, done.stdout, done.stderr


# ---- destructive work asks ----
def test_a_destructive_job_shows_how_many_and_asks(make_service, embedded):
    service = make_service(embedded, people=8)
    service.database.execute("update person set active = false where id > 6")
    service.write()
    code, out, err = tool(service, "jobs", "run", "wiping")
    assert (
        code == 7
        and "--yes" in err
        and "club.bump: 6 of 8 (75.0 %)" in err
        and "club.wipe: 12 of 8" in err
        and "destructive" in err
    )
    assert tool(service, "jobs", "run", "wiping", answer="n")[0] == 7
    assert service.database.value("select count(*) from rollcall.run") == 0
    assert tool(service, "jobs", "run", "wiping", "--dry-run")[0] == 0, "a dry run changes nothing"
    code, out, err = tool(service, "jobs", "run", "wiping", "--json", answer="y")
    assert code == 0 and "club.wipe: 12" in err
    run = json.loads(out)["run_id"]
    assert service.row(run, "expect") == ({"club.bump": "6", "club.wipe": "12"},)
    assert (
        service.database.value(
            "select detail->'expect'->>'club.wipe' from rollcall.request where about = %s", (run,)
        )
        == "12"
    )
    service.scheduler()
    assert service.until(run, "published") == ("published", "")
    assert service.row(run, "population") == (8,)
    listed = {
        j["job"]: (j["destructive"], j["max_subjects"], j["max_percent"])
        for j in json.loads(service.rollcall("jobs", "list", "--json"))
    }
    assert (listed["club.wiping"], listed["club.capped"], listed["club.share"]) == (
        (True, None, None),
        (False, 5, None),
        (False, None, 2.5),
    )


def test_more_than_was_confirmed_is_held(make_service, embedded):
    service = make_service(embedded, people=8)
    run = service.ask("wiping")
    service.database.execute("insert into person (id) values (9)")
    s = service.scheduler()
    service.start(lanes=["tasks", "urgent"])
    state, reason = service.until(run, "held for review")
    assert reason == "9 tasks of club.bump are due, 8 were confirmed"
    assert "run held for review" in s.text() and run in s.text()
    service.wait(lambda: service.database.rows("select run from told") == [(run,)])
    fewer = service.ask("wiping", "--force")
    service.database.execute("delete from person where id = 9")
    service.until(fewer, "published", "succeeded")


def test_a_destructive_run_that_nobody_confirmed_is_held(make_service, embedded):
    """As a hand-made request, or an older tool, would request it."""
    service = make_service(embedded, people=3)
    service.scheduler()
    service.database.execute(
        "select rollcall.request_run(gen_random_uuid(), 'club', 'wiping', now(), '{}', false,"
        " false, null, null)"
    )
    service.wait(
        lambda: (
            [(r[1], r[3]) for r in service.runs("wiping")]
            == [
                (
                    "held for review",
                    "the job is destructive, and nobody confirmed how many subjects are due",
                )
            ]
        )
    )


def test_tasks_of_a_destructive_type_ask(make_service, embedded):
    """One, a file of them, and a pack's command that declares that it needs no question."""
    service = make_service(embedded, people=3)
    service.pack_cfg += """commands = ( { name = "wipe-out"; task_type = "wipe"; subject = "PERSON";
        lookup = "sql/find.sql"; confirm = false; },
                                    { name = "bump-up"; task_type = "bump"; subject = "PERSON";
                                        lookup = "sql/find.sql"; confirm = false; } );"""
    (service.folder / "club/sql/find.sql").write_text(
        "select id as subject from person where id::text = :subject"
    )
    service.write()
    rows = service.folder / "rows.csv"
    rows.write_text("subject\n1\n2\nx\n")
    code, _, err = tool(service, "tasks", "submit", "--type", "wipe", "--subject", "1")
    assert code == 7 and "destructive" in err and "--yes" in err
    code, _, err = tool(service, "tasks", "submit", "--type", "wipe", "--csv", rows)
    assert code == 7 and "each of the 2 rows" in err
    code, _, err = tool(service, "wipe-out", "1")
    assert code == 7 and "--yes" in err
    assert tool(service, "tasks", "submit", "--type", "wipe", "--subject", "1", answer="n")[0] == 7
    assert service.database.value("select count(*) from rollcall.request") == 0
    assert tool(service, "tasks", "submit", "--type", "wipe", "--subject", "1", "--dry-run")[0] == 0
    assert tool(service, "tasks", "submit", "--type", "wipe", "--subject", "1", answer="y")[0] == 0
    assert (
        tool(service, "tasks", "submit", "--type", "wipe", "--csv", rows, "--yes")[0] == 1
    )  # one row is bad
    assert tool(service, "tasks", "submit", "--type", "bump", "--subject", "1")[0] == 0, (
        "what is not destructive asks on a terminal only"
    )
    service.scheduler()
    service.start(lanes=["tasks", "urgent"])
    assert tool(service, "wipe-out", "3", "--yes")[0] == 0 and tool(service, "bump-up", "3")[0] == 0


# ---- larger than it should be ----
def test_a_run_over_its_limit_waits_for_a_release(make_service, embedded):
    service = make_service(embedded, people=6)
    service.scheduler()
    service.start(lanes=["tasks", "urgent", "jobs"])
    run = service.ask("capped")
    assert (
        service.until(run, "held for review")[1] == "6 subjects are due, more than max_subjects = 5"
    )
    service.wait(lambda: service.database.rows("select run from told") == [(run,)])
    service.wait(lambda: [e["state"] for e in service.announced(run)] == ["held for review"])
    time.sleep(0.5)
    assert (
        service.tasks(run) == []
        and service.database.value("select count(*) from rollcall.outcome where run_no > 0") == 0
    ), "nothing of it was done"
    shown = json.loads(service.rollcall("status", "--json"))["held_for_review"]
    assert [(h["run_id"], h["planned"], h["reason"]) for h in shown] == [
        (run, 13, "6 subjects are due, more than max_subjects = 5")
    ]
    assert "Held for review" in service.rollcall("status")
    assert f"runs release {run[:8]}" in service.rollcall("runs", "show", run)
    code, _, err = tool(service, "runs", "release", run)
    assert (
        code == 7 and "--yes" in err and "club.bump: 6 tasks" in err and "max_subjects = 5" in err
    )
    assert (
        tool(service, "runs", "release", run, answer="n")[0] == 7
        and service.state(run) == "held for review"
    )
    assert "still open" in service.until(service.ask("capped"), "refused")[1]
    service.database.execute(
        "update rollcall.run set deadline_at = deadline_at - interval '2 hours', held_at = held_at"
        " - interval '2 hours' where run_id = %s",
        (run,),
    )
    assert tool(service, "runs", "release", run, answer="y")[0] == 0
    assert service.until(run, "succeeded") == ("succeeded", "")
    assert service.database.rows(
        "select kind, actor = session_user, about from rollcall.request where kind = 'release run'"
    ) == [("release run", True, run)]
    assert service.row(run, "released_by = session_user and released_at is not null")[0]
    assert "released by" in service.rollcall("runs", "show", run)
    service.wait(
        lambda: sorted(service.database.rows("select run from told")) == [(run,), (run,)]
    )  # on_finish, after the first
    assert tool(service, "runs", "release", run, "--yes")[0] == 7


def test_somebody_with_several_tasks_is_one_subject(make_service, embedded):
    """bump and other are about the same five people."""
    service = make_service(embedded, people=5)
    service.scheduler()
    service.until(service.ask("capped"), "published")
    service.database.execute("insert into person (id) values (6)")
    service.until(service.ask("capped", "--force", "--dry-run"), "published")
    service.until(service.ask("capped", "--force"), "held for review")


def test_a_share_of_the_population(make_service, embedded):
    """And slots wait while a run is held, also with concurrency_policy allow."""
    service = make_service(embedded, people=100)
    service.database.execute("update person set active = false where id > 2")
    service.scheduler()
    service.until(service.ask("share"), "published")
    service.database.execute("update person set active = true where id = 3")
    held = service.ask("share")
    assert (
        service.until(held, "held for review")[1]
        == "3 of 100 subjects (3.0 %) are due, more than max_percent = 2.5"
    )
    assert service.row(held, "population") == (100,)
    service.slots("share", timedelta(hours=3))
    service.wait(
        lambda: any(
            "held for review" in line and "slot waits" in line
            for line in service.logs().splitlines()
        )
    )
    assert len(service.runs("share")) == 2
    service.database.execute("update person set active = false where id = 3")
    service.rollcall("runs", "release", held, "--yes")
    service.wait(lambda: len(service.runs("share")) >= 3)
    service.wait(lambda: [r[1] for r in service.runs("share")].count("held for review") == 0)


def test_a_population_that_is_no_number_fails_its_run(make_service, embedded):
    service = make_service(embedded, people=3)
    (service.folder / "club/sql/population.sql").write_text("select null::bigint")
    service.scheduler()
    run = service.ask("share")
    assert "population.sql: one row with one number" in service.until(run, "failed")[1]


# ---- settings ----
def test_a_run_keeps_the_settings_and_statements_it_was_planned_with(make_service, embedded):
    """The configuration changes between the plan and the work; what follows from the run sees
    its settings, too.
    """
    service = make_service(embedded, people=5)
    service.scheduler()
    run = service.ask("noting", "--set", "first_word=given")
    service.until(run, "published")
    assert service.row(
        run, "kept_settings->>'first_word', kept_settings->>'second_word', settings"
    ) == ("given", "two", {"first_word": "given"})
    assert list(service.row(run, "statements")[0]) == ["club.note"]
    shown = json.loads(service.rollcall("runs", "show", run, "--json"))
    assert shown["kept_settings"]["first_word"] == "given" and list(shown["statements"]) == [
        "club.note"
    ]
    service.pack_cfg = service.pack_cfg.replace('default = "two"', 'default = "changed"')
    w = service.start(lanes=["tasks", "urgent"])
    service.until(run, "succeeded")
    assert service.database.rows("select note, count(*) from person group by 1") == [
        ("given two", 5)
    ]
    service.wait(lambda: service.database.rows("select run from told") == [(f"{run} given two",)])
    assert "differs from the one the run was planned with" not in w.text()
    later = service.ask("noting")
    service.until(later, "succeeded")  # planned by the scheduler, which still has the old default
    assert service.database.rows("select note, count(*) from person group by 1") == [("one two", 5)]
    service.wait(
        lambda: (
            service.database.value("select run from told where run like %s", (f"{later}%",))
            == f"{later} one two"
        )
    )


def test_a_statement_that_changed_since_the_plan_waits(make_service, embedded):
    """For a worker that has the version that the run was planned with; after a stated time any
    worker does the rest, and it is logged.
    """
    service = make_service(
        embedded,
        people=5,
        retry='attempts = 3; base = "100ms"; max = "300ms"; version_wait = "10m";',
    )
    service.scheduler()
    path = service.folder / "club/sql/note.sql"
    planned, changed = path.read_text(), path.read_text().replace("' '", "'-'")
    run, other = service.ask("noting"), service.ask("sweep")
    service.until(run, "published")
    path.write_text(changed)
    w = service.start(lanes=["tasks", "urgent"])
    service.until(other, "succeeded", "completed with errors")
    service.wait(
        lambda: (
            service.database.rows(
                "select state, count(*) from rollcall.held_named where run_id = %s group by 1",
                (run,),
            )
            == [("retry", 5)]
        )
    )
    assert service.database.value("select distinct reason from rollcall.held_named").endswith(
        "its run was planned with another version of its statement"
    )
    service.wait_log(
        w,
        rf"task type differs from the one the run was planned with.*run_id={run} type=club.note"
        r" planned=\S+"
        r" here=\S+",
    )
    assert service.database.value("select count(*) from person where note is not null") == 0
    service.stop(w)
    path.write_text(planned)
    w = service.start(lanes=["tasks", "urgent"])
    service.until(run, "succeeded")
    assert service.database.rows("select note, count(*) from person group by 1") == [("one two", 5)]
    service.stop(w)
    last = service.ask("noting")
    service.until(last, "published")
    path.write_text(changed)
    service.retry = service.retry.replace("10m", "3s")
    service.start(lanes=["tasks", "urgent"])
    service.until(last, "succeeded")
    assert service.database.rows("select note, count(*) from person group by 1") == [("one-two", 5)]


def test_a_locked_setting_is_refused_everywhere(make_service, embedded):
    """The tool, the database and the scheduler refuse it; the pack's and the service's
    configuration may set it.
    """
    service = make_service(embedded, people=1)
    code, _, err = tool(service, "jobs", "run", "noting", "--set", "gate=2")
    assert code == 2 and '"gate" is locked' in err
    with pytest.raises(psycopg.errors.CheckViolation, match='"gate" is locked'):
        service.database.execute(
            "select rollcall.request_run(gen_random_uuid(), 'club', 'noting', now(), '{\"gate\":"
            ' "2"}\', true, false, null, null)'
        )
    service.database.execute(
        "insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,"
        " dry_run, settings) values (gen_random_uuid(), 'club', 'noting', now(), current_date,"
        " 'manual', 'x', false, '{\"gate\": \"2\"}')"
    )
    service.scheduler()
    service.wait(lambda: [r[1] for r in service.runs("noting")] == ["refused"])
    assert '"gate" is locked' in service.runs("noting")[0][3]
    service.config.write_text(
        service.config.read_text().replace(
            'path = "club";', 'path = "club"; settings = { gate = 3; };'
        )
    )
    run = json.loads(service.rollcall("jobs", "run", "noting", "--json"))["run_id"]
    service.until(run, "published")


def test_what_the_pack_cannot_say(make_service, embedded):
    service = make_service(embedded, people=1)
    cfg = service.folder / "club/pack.cfg"
    whole = cfg.read_text()
    for old, new, says in [
        ("max_subjects = 5;", "max_subjects = -2;", "max_subjects"),
        ("max_percent = 2.5;", "max_percent = 101;", "a number from 0 to 100"),
        ("max_percent = 2.5;", 'max_percent = "many";', "a number of per cent"),
        (
            'max_percent = 2.5; population = "sql/population.sql";',
            "max_percent = 2.5;",
            "needs a population",
        ),
    ]:
        cfg.write_text(whole.replace(old, new))
        code, _, err = tool(service, "jobs", "list")
        assert code == 3 and says in err and "pack.cfg:" in err, err

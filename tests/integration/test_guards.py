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
from scheduler_service import rig  # noqa: F401


def tool(rig, *args, answer=None):
    """Exit code, standard output and standard error; `answer` is typed at a terminal."""
    keyboard, terminal = pty.openpty() if answer is not None else (None, subprocess.DEVNULL)
    if answer is not None:
        os.write(keyboard, f"{answer}\n".encode())
    done = subprocess.run(
        [program("rollcall"), "-c", str(rig.config), *map(str, args)],
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
def test_a_destructive_job_shows_how_many_and_asks(rig, embedded):
    rig = rig(embedded, people=8)
    rig.database.execute("update person set active = false where id > 6")
    rig.write()
    code, out, err = tool(rig, "jobs", "run", "wiping")
    assert (
        code == 7
        and "--yes" in err
        and "club.bump: 6 of 8 (75.0 %)" in err
        and "club.wipe: 12 of 8" in err
        and "destructive" in err
    )
    assert tool(rig, "jobs", "run", "wiping", answer="n")[0] == 7
    assert rig.database.value("select count(*) from rollcall.run") == 0
    assert tool(rig, "jobs", "run", "wiping", "--dry-run")[0] == 0, "a dry run changes nothing"
    code, out, err = tool(rig, "jobs", "run", "wiping", "--json", answer="y")
    assert code == 0 and "club.wipe: 12" in err
    run = json.loads(out)["run_id"]
    assert rig.row(run, "expect") == ({"club.bump": "6", "club.wipe": "12"},)
    assert (
        rig.database.value(
            "select detail->'expect'->>'club.wipe' from rollcall.request where about = %s", (run,)
        )
        == "12"
    )
    rig.scheduler()
    assert rig.until(run, "published") == ("published", "")
    assert rig.row(run, "population") == (8,)
    listed = {
        j["job"]: (j["destructive"], j["max_subjects"], j["max_percent"])
        for j in json.loads(rig.rollcall("jobs", "list", "--json"))
    }
    assert (listed["club.wiping"], listed["club.capped"], listed["club.share"]) == (
        (True, None, None),
        (False, 5, None),
        (False, None, 2.5),
    )


def test_more_than_was_confirmed_is_held(rig, embedded):
    rig = rig(embedded, people=8)
    run = rig.ask("wiping")
    rig.database.execute("insert into person (id) values (9)")
    s = rig.scheduler()
    rig.start(lanes=["tasks", "urgent"])
    state, reason = rig.until(run, "held for review")
    assert reason == "9 tasks of club.bump are due, 8 were confirmed"
    assert "run held for review" in s.text() and run in s.text()
    rig.wait(lambda: rig.database.rows("select run from told") == [(run,)])
    fewer = rig.ask("wiping", "--force")
    rig.database.execute("delete from person where id = 9")
    rig.until(fewer, "published", "succeeded")


def test_a_destructive_run_that_nobody_confirmed_is_held(rig, embedded):
    """As a hand-made request, or an older tool, would ask for it."""
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.database.execute(
        "select rollcall.request_run(gen_random_uuid(), 'club', 'wiping', now(), '{}', false,"
        " false, null, null)"
    )
    rig.wait(
        lambda: (
            [(r[1], r[3]) for r in rig.runs("wiping")]
            == [
                (
                    "held for review",
                    "the job is destructive, and nobody confirmed how many subjects are due",
                )
            ]
        )
    )


def test_tasks_of_a_destructive_type_ask(rig, embedded):
    """One, a file of them, and a pack's command that says it needs no question."""
    rig = rig(embedded, people=3)
    rig.pack_cfg += """commands = ( { name = "wipe-out"; task_type = "wipe"; subject = "PERSON";
        lookup = "sql/find.sql"; confirm = false; },
                                    { name = "bump-up"; task_type = "bump"; subject = "PERSON";
                                        lookup = "sql/find.sql"; confirm = false; } );"""
    (rig.folder / "club/sql/find.sql").write_text(
        "select id as subject from person where id::text = :subject"
    )
    rig.write()
    rows = rig.folder / "rows.csv"
    rows.write_text("subject\n1\n2\nx\n")
    code, _, err = tool(rig, "tasks", "submit", "--type", "wipe", "--subject", "1")
    assert code == 7 and "destructive" in err and "--yes" in err
    code, _, err = tool(rig, "tasks", "submit", "--type", "wipe", "--csv", rows)
    assert code == 7 and "each of the 2 rows" in err
    code, _, err = tool(rig, "wipe-out", "1")
    assert code == 7 and "--yes" in err
    assert tool(rig, "tasks", "submit", "--type", "wipe", "--subject", "1", answer="n")[0] == 7
    assert rig.database.value("select count(*) from rollcall.request") == 0
    assert tool(rig, "tasks", "submit", "--type", "wipe", "--subject", "1", "--dry-run")[0] == 0
    assert tool(rig, "tasks", "submit", "--type", "wipe", "--subject", "1", answer="y")[0] == 0
    assert (
        tool(rig, "tasks", "submit", "--type", "wipe", "--csv", rows, "--yes")[0] == 1
    )  # one row is bad
    assert tool(rig, "tasks", "submit", "--type", "bump", "--subject", "1")[0] == 0, (
        "what is not destructive asks on a terminal only"
    )
    rig.scheduler()
    rig.start(lanes=["tasks", "urgent"])
    assert tool(rig, "wipe-out", "3", "--yes")[0] == 0 and tool(rig, "bump-up", "3")[0] == 0


# ---- larger than it should be ----
def test_a_run_over_its_limit_waits_for_a_release(rig, embedded):
    rig = rig(embedded, people=6)
    rig.scheduler()
    rig.start(lanes=["tasks", "urgent", "jobs"])
    run = rig.ask("capped")
    assert rig.until(run, "held for review")[1] == "6 subjects are due, more than max_subjects = 5"
    rig.wait(lambda: rig.database.rows("select run from told") == [(run,)])
    rig.wait(lambda: [e["state"] for e in rig.announced(run)] == ["held for review"])
    time.sleep(0.5)
    assert (
        rig.tasks(run) == []
        and rig.database.value("select count(*) from rollcall.outcome where run_no > 0") == 0
    ), "nothing of it was done"
    shown = json.loads(rig.rollcall("status", "--json"))["held_for_review"]
    assert [(h["run_id"], h["planned"], h["reason"]) for h in shown] == [
        (run, 13, "6 subjects are due, more than max_subjects = 5")
    ]
    assert "Held for review" in rig.rollcall("status")
    assert f"runs release {run[:8]}" in rig.rollcall("runs", "show", run)
    code, _, err = tool(rig, "runs", "release", run)
    assert (
        code == 7 and "--yes" in err and "club.bump: 6 tasks" in err and "max_subjects = 5" in err
    )
    assert (
        tool(rig, "runs", "release", run, answer="n")[0] == 7
        and rig.state(run) == "held for review"
    )
    assert "still open" in rig.until(rig.ask("capped"), "refused")[1]
    rig.database.execute(
        "update rollcall.run set deadline_at = deadline_at - interval '2 hours', held_at = held_at"
        " - interval '2 hours' where run_id = %s",
        (run,),
    )
    assert tool(rig, "runs", "release", run, answer="y")[0] == 0
    assert rig.until(run, "succeeded") == ("succeeded", "")
    assert rig.database.rows(
        "select kind, actor = session_user, about from rollcall.request where kind = 'release run'"
    ) == [("release run", True, run)]
    assert rig.row(run, "released_by = session_user and released_at is not null")[0]
    assert "released by" in rig.rollcall("runs", "show", run)
    rig.wait(
        lambda: sorted(rig.database.rows("select run from told")) == [(run,), (run,)]
    )  # on_finish, after the first
    assert tool(rig, "runs", "release", run, "--yes")[0] == 7


def test_somebody_with_several_tasks_is_one_subject(rig, embedded):
    """bump and other are about the same five people."""
    rig = rig(embedded, people=5)
    rig.scheduler()
    rig.until(rig.ask("capped"), "published")
    rig.database.execute("insert into person (id) values (6)")
    rig.until(rig.ask("capped", "--force", "--dry-run"), "published")
    rig.until(rig.ask("capped", "--force"), "held for review")


def test_a_share_of_the_population(rig, embedded):
    """And slots wait while a run is held, also with concurrency_policy allow."""
    rig = rig(embedded, people=100)
    rig.database.execute("update person set active = false where id > 2")
    rig.scheduler()
    rig.until(rig.ask("share"), "published")
    rig.database.execute("update person set active = true where id = 3")
    held = rig.ask("share")
    assert (
        rig.until(held, "held for review")[1]
        == "3 of 100 subjects (3.0 %) are due, more than max_percent = 2.5"
    )
    assert rig.row(held, "population") == (100,)
    rig.slots("share", timedelta(hours=3))
    rig.wait(
        lambda: any(
            "held for review" in line and "slot waits" in line for line in rig.logs().splitlines()
        )
    )
    assert len(rig.runs("share")) == 2
    rig.database.execute("update person set active = false where id = 3")
    rig.rollcall("runs", "release", held, "--yes")
    rig.wait(lambda: len(rig.runs("share")) >= 3)
    rig.wait(lambda: [r[1] for r in rig.runs("share")].count("held for review") == 0)


def test_a_population_that_is_no_number_fails_its_run(rig, embedded):
    rig = rig(embedded, people=3)
    (rig.folder / "club/sql/population.sql").write_text("select null::bigint")
    rig.scheduler()
    run = rig.ask("share")
    assert "population.sql: one row with one number" in rig.until(run, "failed")[1]


# ---- settings ----
def test_a_run_keeps_the_settings_and_statements_it_was_planned_with(rig, embedded):
    """The configuration changes between the plan and the work; what follows from the run sees
    its settings, too.
    """
    rig = rig(embedded, people=5)
    rig.scheduler()
    run = rig.ask("noting", "--set", "first_word=given")
    rig.until(run, "published")
    assert rig.row(
        run, "kept_settings->>'first_word', kept_settings->>'second_word', settings"
    ) == ("given", "two", {"first_word": "given"})
    assert list(rig.row(run, "statements")[0]) == ["club.note"]
    shown = json.loads(rig.rollcall("runs", "show", run, "--json"))
    assert shown["kept_settings"]["first_word"] == "given" and list(shown["statements"]) == [
        "club.note"
    ]
    rig.pack_cfg = rig.pack_cfg.replace('default = "two"', 'default = "changed"')
    w = rig.start(lanes=["tasks", "urgent"])
    rig.until(run, "succeeded")
    assert rig.database.rows("select note, count(*) from person group by 1") == [("given two", 5)]
    rig.wait(lambda: rig.database.rows("select run from told") == [(f"{run} given two",)])
    assert "differs from the one the run was planned with" not in w.text()
    later = rig.ask("noting")
    rig.until(later, "succeeded")  # planned by the scheduler, which still has the old default
    assert rig.database.rows("select note, count(*) from person group by 1") == [("one two", 5)]
    rig.wait(
        lambda: (
            rig.database.value("select run from told where run like %s", (f"{later}%",))
            == f"{later} one two"
        )
    )


def test_a_statement_that_changed_since_the_plan_waits(rig, embedded):
    """For a worker that has the version that the run was planned with; after a stated time any
    worker does the rest, and it is said.
    """
    rig = rig(
        embedded,
        people=5,
        retry='attempts = 3; base = "100ms"; max = "300ms"; version_wait = "10m";',
    )
    rig.scheduler()
    path = rig.folder / "club/sql/note.sql"
    planned, changed = path.read_text(), path.read_text().replace("' '", "'-'")
    run, other = rig.ask("noting"), rig.ask("sweep")
    rig.until(run, "published")
    path.write_text(changed)
    w = rig.start(lanes=["tasks", "urgent"])
    rig.until(other, "succeeded", "completed with errors")
    rig.wait(
        lambda: (
            rig.database.rows(
                "select state, count(*) from rollcall.held_named where run_id = %s group by 1",
                (run,),
            )
            == [("retry", 5)]
        )
    )
    assert rig.database.value("select distinct reason from rollcall.held_named").endswith(
        "its run was planned with another version of its statement"
    )
    rig.wait_log(
        w,
        rf"task type differs from the one the run was planned with.*run_id={run} type=club.note"
        r" planned=\S+"
        r" here=\S+",
    )
    assert rig.database.value("select count(*) from person where note is not null") == 0
    rig.stop(w)
    path.write_text(planned)
    w = rig.start(lanes=["tasks", "urgent"])
    rig.until(run, "succeeded")
    assert rig.database.rows("select note, count(*) from person group by 1") == [("one two", 5)]
    rig.stop(w)
    last = rig.ask("noting")
    rig.until(last, "published")
    path.write_text(changed)
    rig.retry = rig.retry.replace("10m", "3s")
    rig.start(lanes=["tasks", "urgent"])
    rig.until(last, "succeeded")
    assert rig.database.rows("select note, count(*) from person group by 1") == [("one-two", 5)]


def test_a_locked_setting_is_refused_everywhere(rig, embedded):
    """The tool, the database and the scheduler refuse it; the pack's and the service's
    configuration may set it.
    """
    rig = rig(embedded, people=1)
    code, _, err = tool(rig, "jobs", "run", "noting", "--set", "gate=2")
    assert code == 2 and '"gate" is locked' in err
    with pytest.raises(psycopg.errors.CheckViolation, match='"gate" is locked'):
        rig.database.execute(
            "select rollcall.request_run(gen_random_uuid(), 'club', 'noting', now(), '{\"gate\":"
            ' "2"}\', true, false, null, null)'
        )
    rig.database.execute(
        "insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,"
        " dry_run, settings) values (gen_random_uuid(), 'club', 'noting', now(), current_date,"
        " 'manual', 'x', false, '{\"gate\": \"2\"}')"
    )
    rig.scheduler()
    rig.wait(lambda: [r[1] for r in rig.runs("noting")] == ["refused"])
    assert '"gate" is locked' in rig.runs("noting")[0][3]
    rig.config.write_text(
        rig.config.read_text().replace('path = "club";', 'path = "club"; settings = { gate = 3; };')
    )
    run = json.loads(rig.rollcall("jobs", "run", "noting", "--json"))["run_id"]
    rig.until(run, "published")


def test_what_the_pack_cannot_say(rig, embedded):
    rig = rig(embedded, people=1)
    cfg = rig.folder / "club/pack.cfg"
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
        code, _, err = tool(rig, "jobs", "list")
        assert code == 3 and says in err and "pack.cfg:" in err, err

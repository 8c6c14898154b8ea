# SPDX-License-Identifier: Apache-2.0
"""Task types that are paused: their statement fails whatever it is given. Others go on, and
nothing of it is lost.
"""

import json
import re
import subprocess

from harness.paths import program
from scheduler_service import rig  # noqa: F401
from test_isolation import RAISE
from worker_pack import adhoc

PAUSE = 'attempts = 3; base = "100ms"; max = "300ms"; pause_base = "500ms"; pause_max = "2s";'
NEVER = 'attempts = 3; base = "100ms"; max = "300ms"; pause_base = "1h"; pause_max = "1h";'


def tool(rig, *args):
    done = subprocess.run(
        [program("rollcall"), "-c", str(rig.config), *args],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


def paused(rig):
    return {
        r[0]: r[1]
        for r in rig.database.rows("select type, sqlstate from rollcall.paused_type_named")
    }


def outcomes(rig):
    return {
        (r[0], r[1]): r[2]
        for r in rig.database.rows(
            "select type, outcome, count(*) from rollcall.outcome_named group by 1, 2"
        )
    }


def state(rig, job):
    return rig.database.value(
        "select state from rollcall.run where job = %s order by run_no desc limit 1", (job,)
    )


def test_a_type_whose_statement_fails_is_paused_and_resumes(rig, broker):
    """One type's statement fails without any task: it is paused, without a row per task. The
    other is done. Mended, it resumes by itself.
    """
    rig = rig(broker, people=3000, retry=PAUSE)
    rig.scheduler()
    first, second = rig.start(), rig.start()
    rig.database.execute("alter table person rename trap to trapped")
    rig.rollcall("jobs", "run", "both")
    rig.wait(lambda: outcomes(rig).get(("club.gate-due", "applied")) == 3000, 60)
    rig.wait(lambda: rig.position() == 6000, 60)
    assert paused(rig) == {"club.bump": "42703"} and outcomes(rig) == {
        ("club.gate-due", "applied"): 3000
    }
    rig.wait(lambda: state(rig, "both") == "published", 60)
    assert rig.database.value("select count(*) from rollcall.held") == 0
    code, text, _ = tool(rig, "status")
    assert code == 1 and re.search(r"Paused task types\n.*\nclub.bump .*42703", text)
    code, text, _ = tool(rig, "status", "--json")
    assert code == 1 and json.loads(text)["paused_types"][0]["type"] == "club.bump"
    assert re.search(
        r"waits +club.bump is paused: .*column .*trap", rig.rollcall("runs", "show", "both")
    )
    listed = {t["type"]: t["state"] for t in json.loads(rig.rollcall("types", "list", "--json"))}
    assert listed["club.bump"] == "paused" and listed["club.gate-due"] == "active"
    logs = first.text() + second.text()
    assert (
        logs.count('msg="task type paused" type=club.bump') == 1
        and "level=error" in re.search(r".*task type paused.*", logs)[0]
    )
    rig.database.execute("alter table person rename trapped to trap")
    rig.wait(lambda: state(rig, "both") == "succeeded", 60)
    assert paused(rig) == {} and outcomes(rig)[("club.bump", "applied")] == 3000
    assert rig.database.rows("select hits, count(*) from person group by 1") == [(1, 3000)]
    assert (first.text() + second.text()).count('msg="task type resumed" type=club.bump') == 1
    assert tool(rig, "status")[0] == 0
    rig.check_ledger(rig.events(repeats=True))
    rig.stop_all()


def test_everybody_fails_in_the_same_way(rig, kafka):
    """The statement works without tasks, and fails for each of them: nobody is quarantined, the
    tries do not publish anything.
    """
    rig = rig(kafka, people=700, retry=PAUSE)
    rig.database.execute(RAISE)
    rig.database.execute("update person set trap = 'raise PT403 nobody may'")
    rig.scheduler()
    rig.start()
    rig.rollcall("jobs", "run", "both")
    rig.wait(
        lambda: (
            paused(rig) == {"club.bump": "PT403"}
            and outcomes(rig).get(("club.gate-due", "applied")) == 700
        ),
        60,
    )
    rig.wait(lambda: rig.position() == 1400)
    rig.wait(lambda: rig.database.value("select tries from rollcall.paused_type") >= 2)
    assert (
        rig.position() == 1400
        and rig.database.value("select count(*) from rollcall.outcome where outcome in (2, 3)") == 0
    )
    rig.database.execute("drop trigger trapped on person")
    rig.wait(lambda: state(rig, "both") == "succeeded", 60)
    assert outcomes(rig)[("club.bump", "applied")] == 700
    rig.stop_all()


def test_a_worker_starts_with_a_broken_statement(rig, kafka):
    """It serves the others; `check` fails. With the file mended and the worker started again,
    the type resumes.
    """
    rig = rig(kafka, people=200, retry=PAUSE)
    good = (rig.folder / "club/sql/gate.sql").read_text()
    (rig.folder / "club/sql/gate.sql").write_text(
        "effect as (select subject, 'applied' as outcome from no_such_table)"
    )
    rig.scheduler()
    worker = rig.start()
    rig.rollcall("jobs", "run", "both")
    rig.wait(lambda: outcomes(rig).get(("club.bump", "applied")) == 200, 60)
    assert set(paused(rig)) == {"club.gate", "club.gate-due"} and re.search(
        r"task type paused.*sql/gate.sql.*no_such_table", worker.text()
    )
    assert tool(rig, "check", "--offline")[0] == 1
    rig.stop(worker)
    (rig.folder / "club/sql/gate.sql").write_text(good)
    rig.start()
    rig.wait(lambda: state(rig, "both") == "succeeded", 60)
    assert paused(rig) == {}
    rig.stop_all()


def test_a_statement_that_acts_beyond_its_batch(rig, kafka):
    """Three tasks are enough, since it does so without any. With the file mended, and `types
    resume`, each is done once; nothing is lost.
    """
    rig = rig(kafka, people=3, retry=NEVER)
    path = rig.folder / "club/sql/gate.sql"
    good = path.read_text()
    path.write_text(
        "x as (update person set hits = hits + 100 returning id), effect as (select id as subject,"
        " 'applied' as outcome from x)"
    )
    rig.scheduler()
    worker = rig.start()
    rig.rollcall("jobs", "run", "both")
    rig.wait(
        lambda: (
            paused(rig) == {"club.gate-due": "RC003"}
            and outcomes(rig) == {("club.bump", "applied"): 3}
        )
    )
    assert (
        state(rig, "both") == "published"
        and rig.database.value("select max(hits) from person") == 1
    )
    rig.stop(worker)
    path.write_text(good)
    rig.start()
    assert "club.gate-due is resumed" in rig.rollcall("types", "resume", "gate-due")
    rig.wait(lambda: state(rig, "both") == "succeeded", 60)
    assert (
        outcomes(rig) == {("club.bump", "applied"): 3, ("club.gate-due", "applied"): 3}
        and paused(rig) == {}
    )
    rig.stop_all()


def test_an_operator_resumes_a_paused_type_at_once(rig, kafka):
    """At once, and by name; who did it is kept. Ad-hoc tasks wait, and are done then."""
    rig = rig(kafka, people=50, retry=NEVER)
    rig.scheduler()
    rig.start()
    rig.database.execute("alter table journal rename said to told")
    tasks = [adhoc("club.grant", n, days="3") for n in range(1, 51)]
    rig.send(tasks, "urgent")
    rig.wait(lambda: paused(rig) == {"club.grant": "42703"} and rig.position("urgent") == 50)
    assert rig.database.rows("select state, count(*) from rollcall.held group by 1") == [
        ("retry", 50)
    ]
    rig.database.execute(
        "update rollcall.held set state = 'waiting', due_at = null where subject = '9'"
    )  # it stood behind one that was done meanwhile
    rig.send([adhoc("club.welcome", 7)], "urgent")
    rig.wait(
        lambda: outcomes(rig).get(("club.welcome", "applied")) == 1
    )  # a subject of which a task waits for its type
    assert tool(rig, "types", "resume", "no-such")[0] == 5
    assert "club.bump is not paused" in rig.rollcall("types", "resume", "bump")
    rig.database.execute("alter table journal rename told to said")
    assert "club.grant is resumed" in rig.rollcall("types", "resume", "grant")
    rig.wait(lambda: outcomes(rig).get(("club.grant", "applied")) == 50, 30)
    assert rig.database.value("select count(*) from rollcall.held") == 0
    assert rig.database.rows(
        "select kind, about, actor = session_user from rollcall.request where kind = 'resume type'"
    ) == [("resume type", "club.grant", True)]
    rig.stop_all()


def test_follow_ups_of_a_paused_type(rig, kafka):
    """What a run's applied tasks have spawned is owed as well."""
    rig = rig(kafka, people=300, retry=PAUSE)
    (rig.folder / "club/sql/welcome.sql").write_text(
        "x as (select 1 from no_such_table), effect as (select subject, 'applied'::text as outcome"
        " from batch)"
    )
    rig.pack_cfg = rig.pack_cfg.replace(
        '{ name = "welcome"; action = "sql"; lane = "urgent"; statement = "sql/bump.sql"; }',
        '{ name = "welcome"; action = "sql"; lane = "urgent"; statement = "sql/welcome.sql"; }',
    )
    rig.scheduler()
    rig.start()
    rig.rollcall("jobs", "run", "enrolment")
    rig.wait(
        lambda: (
            outcomes(rig).get(("club.enrol", "applied")) == 300 and rig.position("urgent") == 300
        )
    )
    assert set(paused(rig)) == {"club.welcome"} and state(rig, "enrolment") == "published"
    rig.database.execute("create table public.no_such_table ()")
    rig.wait(lambda: state(rig, "enrolment") == "succeeded", 60)
    assert outcomes(rig)[("club.welcome", "applied")] == 300
    rig.stop_all()

# SPDX-License-Identifier: Apache-2.0
"""Task types that are paused: their statement fails whatever it is given. Others continue, and
nothing of it is lost.
"""

import json
import re
import subprocess

from harness.paths import program
from scheduler_service import make_service  # noqa: F401
from test_isolation import RAISE
from worker_pack import adhoc

PAUSE = 'attempts = 3; base = "100ms"; max = "300ms"; pause_base = "500ms"; pause_max = "2s";'
NEVER = 'attempts = 3; base = "100ms"; max = "300ms"; pause_base = "1h"; pause_max = "1h";'


def tool(service, *args):
    done = subprocess.run(
        [program("rollcall"), "-c", str(service.config), *args],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


def paused(service):
    return {
        r[0]: r[1]
        for r in service.database.rows("select type, sqlstate from rollcall.paused_type_named")
    }


def outcomes(service):
    return {
        (r[0], r[1]): r[2]
        for r in service.database.rows(
            "select type, outcome, count(*) from rollcall.outcome_named group by 1, 2"
        )
    }


def state(service, job):
    return service.database.value(
        "select state from rollcall.run where job = %s order by run_no desc limit 1", (job,)
    )


def test_a_type_whose_statement_fails_is_paused_and_resumes(make_service, broker):
    """One type's statement fails without any task: it is paused, without a row per task. The
    other is done. Fixed, it resumes by itself.
    """
    service = make_service(broker, people=3000, retry=PAUSE)
    service.scheduler()
    first, second = service.start(), service.start()
    service.database.execute("alter table person rename trap to trapped")
    service.rollcall("jobs", "run", "both")
    service.wait(lambda: outcomes(service).get(("club.gate-due", "applied")) == 3000, 60)
    service.wait(lambda: service.position() == 6000, 60)
    assert paused(service) == {"club.bump": "42703"} and outcomes(service) == {
        ("club.gate-due", "applied"): 3000
    }
    service.wait(lambda: state(service, "both") == "published", 60)
    assert service.database.value("select count(*) from rollcall.held") == 0
    code, text, _ = tool(service, "status")
    assert code == 1 and re.search(r"Paused task types\n.*\nclub.bump .*42703", text)
    code, text, _ = tool(service, "status", "--json")
    assert code == 1 and json.loads(text)["paused_types"][0]["type"] == "club.bump"
    assert re.search(
        r"waits +club.bump is paused: .*column .*trap", service.rollcall("runs", "show", "both")
    )
    listed = {
        t["type"]: t["state"] for t in json.loads(service.rollcall("types", "list", "--json"))
    }
    assert listed["club.bump"] == "paused" and listed["club.gate-due"] == "active"
    logs = first.text() + second.text()
    assert (
        logs.count('msg="task type paused" type=club.bump') == 1
        and "level=error" in re.search(r".*task type paused.*", logs)[0]
    )
    service.database.execute("alter table person rename trapped to trap")
    service.wait(lambda: state(service, "both") == "succeeded", 60)
    assert paused(service) == {} and outcomes(service)[("club.bump", "applied")] == 3000
    assert service.database.rows("select hits, count(*) from person group by 1") == [(1, 3000)]
    assert (first.text() + second.text()).count('msg="task type resumed" type=club.bump') == 1
    assert tool(service, "status")[0] == 0
    service.check_ledger(service.events(repeats=True))
    service.stop_all()


def test_everybody_fails_in_the_same_way(make_service, kafka):
    """The statement works without tasks, and fails for each of them: nobody is quarantined, the
    tries do not publish anything.
    """
    service = make_service(kafka, people=700, retry=PAUSE)
    service.database.execute(RAISE)
    service.database.execute("update person set trap = 'raise PT403 nobody may'")
    service.scheduler()
    service.start()
    service.rollcall("jobs", "run", "both")
    service.wait(
        lambda: (
            paused(service) == {"club.bump": "PT403"}
            and outcomes(service).get(("club.gate-due", "applied")) == 700
        ),
        60,
    )
    service.wait(lambda: service.position() == 1400)
    service.wait(lambda: service.database.value("select tries from rollcall.paused_type") >= 2)
    assert (
        service.position() == 1400
        and service.database.value("select count(*) from rollcall.outcome where outcome in (2, 3)")
        == 0
    )
    service.database.execute("drop trigger trapped on person")
    service.wait(lambda: state(service, "both") == "succeeded", 60)
    assert outcomes(service)[("club.bump", "applied")] == 700
    service.stop_all()


def test_a_worker_starts_with_a_broken_statement(make_service, kafka):
    """It serves the others; `check` fails. With the file fixed and the worker started again,
    the type resumes.
    """
    service = make_service(kafka, people=200, retry=PAUSE)
    good = (service.folder / "club/sql/gate.sql").read_text()
    (service.folder / "club/sql/gate.sql").write_text(
        "effect as (select subject, 'applied' as outcome from no_such_table)"
    )
    service.scheduler()
    worker = service.start()
    service.rollcall("jobs", "run", "both")
    service.wait(lambda: outcomes(service).get(("club.bump", "applied")) == 200, 60)
    assert set(paused(service)) == {"club.gate", "club.gate-due"} and re.search(
        r"task type paused.*sql/gate.sql.*no_such_table", worker.text()
    )
    assert tool(service, "check", "--offline")[0] == 1
    service.stop(worker)
    (service.folder / "club/sql/gate.sql").write_text(good)
    service.start()
    service.wait(lambda: state(service, "both") == "succeeded", 60)
    assert paused(service) == {}
    service.stop_all()


def test_a_statement_that_acts_beyond_its_batch(make_service, kafka):
    """Three tasks are enough, since it does so without any. With the file fixed, and `types
    resume`, each is done once; nothing is lost.
    """
    service = make_service(kafka, people=3, retry=NEVER)
    path = service.folder / "club/sql/gate.sql"
    good = path.read_text()
    path.write_text(
        "x as (update person set hits = hits + 100 returning id), effect as (select id as subject,"
        " 'applied' as outcome from x)"
    )
    service.scheduler()
    worker = service.start()
    service.rollcall("jobs", "run", "both")
    service.wait(
        lambda: (
            paused(service) == {"club.gate-due": "RC003"}
            and outcomes(service) == {("club.bump", "applied"): 3}
        )
    )
    assert (
        state(service, "both") == "published"
        and service.database.value("select max(hits) from person") == 1
    )
    service.stop(worker)
    path.write_text(good)
    service.start()
    assert "club.gate-due is resumed" in service.rollcall("types", "resume", "gate-due")
    service.wait(lambda: state(service, "both") == "succeeded", 60)
    assert (
        outcomes(service) == {("club.bump", "applied"): 3, ("club.gate-due", "applied"): 3}
        and paused(service) == {}
    )
    service.stop_all()


def test_an_operator_resumes_a_paused_type_at_once(make_service, kafka):
    """At once, and by name; who did it is kept. Ad-hoc tasks wait, and are done then."""
    service = make_service(kafka, people=50, retry=NEVER)
    service.scheduler()
    service.start()
    service.database.execute("alter table journal rename said to told")
    tasks = [adhoc("club.grant", n, days="3") for n in range(1, 51)]
    service.send(tasks, "urgent")
    service.wait(
        lambda: paused(service) == {"club.grant": "42703"} and service.position("urgent") == 50
    )
    assert service.database.rows("select state, count(*) from rollcall.held group by 1") == [
        ("retry", 50)
    ]
    service.database.execute(
        "update rollcall.held set state = 'waiting', due_at = null where subject = '9'"
    )  # it was blocked by one that was done meanwhile
    service.send([adhoc("club.welcome", 7)], "urgent")
    service.wait(
        lambda: outcomes(service).get(("club.welcome", "applied")) == 1
    )  # a subject of which a task waits for its type
    assert tool(service, "types", "resume", "no-such")[0] == 5
    assert "club.bump is not paused" in service.rollcall("types", "resume", "bump")
    service.database.execute("alter table journal rename told to said")
    assert "club.grant is resumed" in service.rollcall("types", "resume", "grant")
    service.wait(lambda: outcomes(service).get(("club.grant", "applied")) == 50, 30)
    assert service.database.value("select count(*) from rollcall.held") == 0
    assert service.database.rows(
        "select kind, about, actor = session_user from rollcall.request where kind = 'resume type'"
    ) == [("resume type", "club.grant", True)]
    service.stop_all()


def test_follow_ups_of_a_paused_type(make_service, kafka):
    """What a run's applied tasks have spawned is owed as well."""
    service = make_service(kafka, people=300, retry=PAUSE)
    (service.folder / "club/sql/welcome.sql").write_text(
        "x as (select 1 from no_such_table), effect as (select subject, 'applied'::text as outcome"
        " from batch)"
    )
    service.pack_cfg = service.pack_cfg.replace(
        '{ name = "welcome"; action = "sql"; lane = "urgent"; statement = "sql/bump.sql"; }',
        '{ name = "welcome"; action = "sql"; lane = "urgent"; statement = "sql/welcome.sql"; }',
    )
    service.scheduler()
    service.start()
    service.rollcall("jobs", "run", "enrolment")
    service.wait(
        lambda: (
            outcomes(service).get(("club.enrol", "applied")) == 300
            and service.position("urgent") == 300
        )
    )
    assert set(paused(service)) == {"club.welcome"} and state(service, "enrolment") == "published"
    service.database.execute("create table public.no_such_table ()")
    service.wait(lambda: state(service, "enrolment") == "succeeded", 60)
    assert outcomes(service)[("club.welcome", "applied")] == 300
    service.stop_all()

# SPDX-License-Identifier: Apache-2.0
"""One odd thing stops nobody else: errors of every class, from a trigger as an application would
have it.
"""

import json
import re
import signal
import subprocess
import time

import pytest
from harness.paths import program
from worker_pack import Run, adhoc
from worker_service import make_service  # noqa: F401

# A person whose trap is "raise STATE TEXT" makes every change of its row fail so.
RAISE = """
create function trapped() returns trigger language plpgsql as $$
begin
  if new.trap like 'raise %' then
    raise exception using errcode = split_part(new.trap, ' ', 2), message = substr(new.trap, 13);
  elsif new.trap = 'slow' then
    perform pg_sleep(60);
  end if;
  return new;
end $$;
create trigger trapped before update of hits on person for each row execute function trapped();
"""


def trap(service, subject, state, text="not you"):
    service.database.execute(
        "update person set trap = %s where id = %s", (f"raise {state} {text}", subject)
    )


# ---- one of many ----
@pytest.mark.parametrize(
    "state",
    ["PT403", "42501", "42703", "XX000", "58030", "HV00A", "ZZ999", "25P02", "40001", "40P01"],
)
def test_one_failing_task_of_many_is_quarantined_alone(make_service, embedded, state):
    """Whatever the class: the one is retried, then quarantined; 199 are done."""
    service = make_service(embedded, people=200)
    service.database.execute(RAISE)
    trap(service, 77, state)
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 201)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete, 60)
    assert run.progress()["applied"] == 199 and run.outcomes()["77"] == (
        "quarantined",
        f"not you (SQLSTATE {state})",
    )
    assert run.progress()["digest_matches"]
    service.check_ledger(service.events())
    service.stop_all()


def test_row_level_security_for_one(make_service, kafka):
    """The worker's role may not write one of the rows."""
    service = make_service(kafka, people=200)
    service.database.execute(
        """do $$ begin if not exists (select from pg_roles where rolname = 'limited')
            then create role limited login; end if; end $$;
        grant all on schema public, rollcall to limited; grant all on all tables in schema public,
            rollcall to limited;
        grant all on all sequences in schema public, rollcall to limited;
        grant execute on all functions in schema rollcall to limited;
        alter table journal enable row level security; create policy reading on journal for
            select using (true);
        create policy writing on journal for insert with check (subject <> 150)"""
    )
    service.conninfo = service.database.conninfo.replace("user=rollcall", "user=limited")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 201)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete, 60)
    outcome, reason = run.outcomes()["150"]
    assert (
        run.progress()["applied"] == 199
        and outcome == "quarantined"
        and "row-level security" in reason
        and "SQLSTATE 42501" in reason
    )
    service.stop_all()


def test_a_statement_that_runs_out_of_time(make_service, kafka):
    """The server's own time limit ends the statement of one: it is that task's fault."""
    service = make_service(kafka, people=200)
    service.database.execute(RAISE)
    service.database.execute(
        f'alter database "{service.database.name}" set statement_timeout = 500'
    )
    service.database.execute("update person set trap = 'slow' where id = 3")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 201)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete, 90)
    assert run.progress()["applied"] == 199 and "SQLSTATE 57014" in run.outcomes()["3"][1]
    service.stop_all()


def test_a_message_that_is_cut_within_a_character(make_service, embedded):
    """A text of 3,000 bytes from the application: what is kept of it is UTF-8, and the lane
    continues.
    """
    service = make_service(embedded, people=20)
    service.database.execute(RAISE)
    for shift in range(4):
        trap(service, shift + 1, "P0001", "x" * shift + "😀" * 750)
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 21)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete, 60)
    assert run.progress()["quarantined"] == 4 and run.progress()["applied"] == 16
    service.stop_all()


def test_the_servers_own_state_is_waited_for(make_service, kafka):
    """Nothing is blamed on a task while the server has no room, and it is logged."""
    service = make_service(kafka, people=50)
    service.database.execute(RAISE)
    trap(service, 7, "53100", "no space left")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 51)]))
    worker = service.start(lanes=["tasks"])
    service.wait_log(worker, r'msg="cannot make progress, will retry".*no space left')
    assert service.database.value("select count(*) from rollcall.held") == 0
    service.wait(
        lambda: any(
            "no space left" in t[0]
            for t in service.database.rows("select detail from rollcall.troubles('1 h')")
        ),
        60,
    )
    service.database.execute("update person set trap = '' where id = 7")
    service.wait(run.complete, 60)
    assert run.progress()["applied"] == 50

    def over():
        troubles = service.database.rows(
            "select detail from rollcall.troubles('1 h') where what like 'waits:%'"
        )
        assert all(
            "no space left" in t[0] for t in troubles
        )  # none without a reason, while it continues already
        return not troubles

    service.wait(over, 60)
    service.stop_all()


# ---- rows that others have locked ----
@pytest.mark.parametrize("locked", [3, 400])
def test_locked_rows_delay_no_others(make_service, kafka, locked):
    """The others are done within seconds, and their rows are free; the locked ones are retried
    without being counted, and done at last.
    """
    service = make_service(kafka, people=500, retry="attempts = 1;", lock_timeout='"500ms"')
    run = Run(service)
    service.start(lanes=["tasks"])
    with service.database.connect() as other:
        other.autocommit = False
        other.execute("select from person where id <= %s for update", (locked,))
        service.send(run.plan([run.task("bump", n) for n in range(1, 501)]))
        service.wait(lambda: service.position() == 500, 12)
        done = run.progress()["applied"]
        assert done == 497 if locked == 3 else done <= 100
        rows = service.database.rows(
            "select state, tries, count(*) from rollcall.held group by 1, 2"
        )
        assert rows == [("retry", 0, 500 - done)]
        with service.database.connect() as application:
            application.execute("set lock_timeout = '300ms'")
            application.execute("update person set note = 'seen' where id > %s", (locked,))
        time.sleep(3)
        assert (
            service.database.value("select count(*) from rollcall.held where state = 'quarantined'")
            == 0
        )
        other.rollback()
    service.wait(run.complete, 60)
    assert run.progress()["applied"] == 500 and run.progress()["digest_matches"]
    assert service.database.rows("select hits, count(*) from person group by 1") == [(1, 500)]
    service.stop_all()


# ---- reloads ----


def refused(service):
    """What `rollcall status` and the alerts say about a reload that was refused."""
    return "".join(
        detail
        for (detail,) in service.database.rows(
            "select detail from rollcall.troubles('1 h') "
            "where what like 'reload refused: rollcall-worker %'"
        )
    )


def status(service):
    done = subprocess.run(
        [program("rollcall"), "-c", str(service.config), "status", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, json.loads(done.stdout)


def test_a_reload_with_a_broken_statement_is_refused(make_service, kafka):
    """Nothing is drained: the worker says which file and why, and works on with the old pack."""
    service = make_service(kafka, people=40)
    worker = service.start(lanes=["tasks"])
    service.config.write_text(
        service.config.read_text().replace('"jobs", "tasks", "urgent", "mail"', '"tasks"')
    )
    good = (service.folder / "club/sql/bump.sql").read_text()
    for bad, said in (
        (
            "effect as (select subject, 'applied' as outcome from no_such_table)",
            r"club\.\w+: .*sql/bump\.sql.*no_such_table",
        ),
        ("effect as (select subject from batch)", r"sql/bump\.sql.*outcome"),
        ("effect as (select subject,, from batch)", r"sql/bump\.sql"),
    ):
        (service.folder / "club/sql/bump.sql").write_text(bad)
        before = worker.text().count("reload refused")
        worker.send_signal(signal.SIGHUP)
        service.wait(lambda: worker.text().count("reload refused") > before, 30)
        assert re.search(said, worker.text().split("reload refused")[-1])
        service.wait(lambda: re.search(said, refused(service)), 30)
    code, page = status(service)
    assert code == 1 and ("sql/bump.sql" in page["refused_reloads"][0]["reason"]), page
    assert worker.text().count('msg="ready"') == 1 and "partitions revoked" not in worker.text()
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 41)]))
    service.wait(run.complete, 30)
    (service.folder / "club/sql/bump.sql").write_text(good)
    worker.send_signal(signal.SIGHUP)
    service.wait(lambda: worker.text().count('msg="ready"') == 2, 30)
    service.wait(lambda: refused(service) == "" and status(service)[1]["refused_reloads"] == [], 30)
    service.stop_all()


def test_notices_are_counted(make_service, kafka):
    """A statement that raises two for each row, and a warning: a line a minute says how many,
    and what the first was.
    """
    service = make_service(kafka, people=1000)
    service.database.execute("""create function talks() returns trigger language plpgsql as $$
        begin raise notice 'person % changes', new.id; raise warning 'again'; return new; end $$;
        create trigger talks before update on person for each row execute function talks()""")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 1001)]))
    worker = service.start(lanes=["tasks"])
    service.wait(run.complete, 60)
    service.wait_log(
        worker,
        r'msg="statement raised notices" type=club.bump .*count=\d+ first="person \d+ changes"',
        10,
    )
    assert service.stop(worker) == 0
    assert (
        len([line for line in worker.text().splitlines() if "changes" in line or "again" in line])
        <= 2
    )
    service.stop_all()


def test_a_lock_that_every_task_needs(make_service, kafka):
    """Nothing of the type can be done while another session has it; so few wait, and continue by
    themselves. Other types are done.
    """
    service = make_service(kafka, people=300, retry="attempts = 1;", lock_timeout='"300ms"')
    run = Run(service)
    service.start(lanes=["tasks"])
    with service.database.connect() as gate:
        gate.execute("select pg_advisory_lock(77)")
        service.send(
            run.plan(
                [run.task("gate", n) for n in range(1, 51)]
                + [run.task("bump", n) for n in range(51, 301)]
            )
        )
        service.wait(lambda: run.progress()["applied"] == 250, 30)
        assert service.database.value("select count(*) from rollcall.paused_type") == 0
    service.wait(run.complete, 60)
    assert run.progress()["applied"] == 300
    service.stop_all()


# ---- packs of different versions ----
NEWER = [
    (
        '{ name = "other"; action',
        (
            '{ name = "fresh"; action = "sql"; statement = "sql/gate.sql"; },\n  { name = "other";'
            " action"
        ),
    ),
    (
        '{ name = "until"; type = "date"',
        (
            '{ name = "note"; type = "text"; default = ""; },\n                  { name = "until";'
            ' type = "date"'
        ),
    ),
]


def test_a_worker_that_does_not_know_a_type_yet(make_service, kafka):
    """An older worker parks what it does not know; a newer one that takes over does it.
    Known tasks continue.
    """
    service = make_service(
        kafka, people=20, retry='attempts = 3; base = "100ms"; max = "300ms"; version_wait = "10m";'
    )
    old = service.start(lanes=["tasks", "urgent"])
    for a, b in NEWER:
        assert a in service.pack_cfg
        service.pack_cfg = service.pack_cfg.replace(a, b)
    service.write()
    service.rollcall("db", "apply")
    fresh = [adhoc("club.fresh", n) for n in range(1, 11)]
    service.send(fresh + [adhoc("club.bump", n) for n in range(11, 21)])
    service.send([adhoc("club.grant", 1, days="3", note="new")], "urgent")
    service.wait(lambda: service.position() == 20 and service.position("urgent") == 1)
    assert service.database.rows("select state, count(*) from rollcall.held group by 1") == [
        ("unknown", 11)
    ]
    assert service.database.value("select count(*) from rollcall.outcome where outcome = 0") == 10
    service.start(lanes=["tasks", "urgent"])
    assert service.stop(old) == 0
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome where outcome = 0") == 21
        ),
        60,
    )
    assert service.database.value("select count(*) from rollcall.held") == 0
    service.check_ledger(service.events(repeats=True))
    service.stop_all()


def test_what_nobody_knows_fails_in_the_end(make_service, kafka):
    service = make_service(
        kafka, people=5, retry='attempts = 3; base = "100ms"; max = "300ms"; version_wait = "2s";'
    )
    service.start(lanes=["tasks", "urgent"])
    service.send([adhoc("club.nobody", 1), adhoc("club.bump", 1)])
    service.send([adhoc("club.grant", 2, days="3", colour="red")], "urgent")
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.held where state = 'unknown'")
            == 2
        )
    )
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome where outcome >= 0") == 3
        ),
        30,
    )
    assert sorted(
        r[0] for r in service.database.rows("select reason from rollcall.outcome where outcome = 2")
    ) == ['club.grant has no argument "colour"', "unknown task type"]
    assert service.database.value("select count(*) from rollcall.held") == 0
    service.stop_all()

# SPDX-License-Identifier: Apache-2.0
"""A mail that was sent is never sent again because its record, or its outcome, could not be
written.
"""

import json

import pytest
from worker_pack import Run, adhoc
from worker_service import rig, sink, through  # noqa: F401

RECORD = """
create sequence public.tried;
create function refused() returns trigger language plpgsql as $$
declare trap text := (select trap from person where id = new.subject);
begin
  if trap like 'record %' and (split_part(trap, ' ', 3) = ''
      or nextval('public.tried') <= split_part(trap, ' ', 3)::int) then
    raise exception using errcode = split_part(trap, ' ', 2), message = 'not recorded by us';
  end if;
  return new;
end $$;
create trigger refused before insert on sent for each row execute function refused();
"""
FULL = """create function full_disk() returns trigger language plpgsql as $$
        begin if new.outcome >= 0 then raise exception using errcode = '53100',
            message = 'disk full'; end if; return new; end $$;
        create trigger full_disk before update on rollcall.outcome for each row
            execute function full_disk()"""


def states(rig):
    return rig.database.rows(
        "select subject, state, tries, due_at is null from rollcall.held order by 1"
    )


@pytest.mark.parametrize("state", ["PT403", "40P01", "55P03", "53200", "42501"])
def test_a_record_that_fails_for_one(rig, kafka, sink, state):
    """Whatever the class: each mail goes out once, the neighbours are recorded, the one is tried
    alone, and at last stays visible.
    """
    rig, server = rig(kafka, people=20), sink()
    through(rig, server.port)
    rig.database.execute(RECORD)
    rig.database.execute("update person set trap = 'record ' || %s where id = 7", (state,))
    run = Run(rig)
    rig.send(run.plan([run.task("careful", n) for n in range(1, 21)]), "mail")
    rig.start(lanes=["mail"])
    rig.wait(run.complete, 60)
    assert run.outcomes()["7"] == (
        "applied",
        f"applied, not recorded: not recorded by us (SQLSTATE {state})",
    )
    rig.wait(lambda: states(rig) == [("7", "record", 3, True)], 60)
    assert (
        rig.database.value("select count(*) from sent") == 19
        and len(rig.mails(server.folder)) == 20
    )
    listed = json.loads(rig.rollcall("quarantine", "list", "--json"))
    assert [(r["subject"], r["state"]) for r in listed] == [("7", "record")]
    rig.stop_all()


def test_a_record_that_fails_for_a_while(rig, kafka, sink):
    """It is recorded later, and the reason is put right; of a run and ad-hoc. A later mail of
    the subject does not wait for it.
    """
    rig, server = rig(kafka, people=5, retry='attempts = 9; base = "300ms"; max = "300ms";'), sink()
    through(rig, server.port)
    rig.database.execute(RECORD)
    rig.database.execute("update person set trap = 'record PT403' where id in (2, 3)")
    run = Run(rig)
    rig.send(
        run.plan([run.task("careful", n) for n in (1, 2)]) + [adhoc("club.careful", 3)], "mail"
    )
    rig.start(lanes=["mail"])
    rig.wait(run.complete, 60)
    rig.wait(lambda: len(states(rig)) == 2)
    rig.send([adhoc("club.careful", 2, item="later")], "mail")
    rig.wait(lambda: len(rig.mails(server.folder)) == 4)
    rig.database.execute("update person set trap = ''")
    rig.wait(lambda: states(rig) == [], 60)
    assert sorted(rig.database.rows("select subject, item from sent")) == [
        (1, ""),
        (2, ""),
        (2, "later"),
        (3, ""),
    ]
    assert rig.database.rows("select distinct outcome, reason from rollcall.outcome") == [(0, "")]
    assert run.progress()["applied"] == 2 and len(rig.mails(server.folder)) == 4
    rig.stop_all()


def test_a_deadlock_while_a_hundred_are_recorded(rig, kafka, sink):
    """Met once: all are recorded by the same transaction, and nobody gets two mails."""
    rig, server = rig(kafka, people=100), sink()
    through(rig, server.port)
    rig.database.execute(RECORD)
    rig.database.execute("update person set trap = 'record 40P01 1' where id = 50")
    run = Run(rig)
    rig.send(run.plan([run.task("careful", n) for n in range(1, 101)]), "mail")
    rig.start(lanes=["mail"])
    rig.wait(run.complete, 60)
    rig.wait(lambda: rig.database.value("select count(*) from sent") == 100)
    assert (
        len(rig.mails(server.folder)) == 100
        and set(run.outcomes().values()) == {("applied", "")}
        and states(rig) == []
    )
    rig.stop_all()


def test_outcomes_that_cannot_be_written(rig, kafka, sink):
    """The server has no room, and then ends the session: what was sent stays in memory, and is
    written when there is room again.
    """
    rig, server = rig(kafka, people=30), sink()
    through(rig, server.port)
    rig.database.execute(FULL)
    run = Run(rig)
    rig.send(run.plan([run.task("careful", n) for n in range(1, 31)]), "mail")
    worker = rig.start(lanes=["mail"])
    rig.wait(lambda: len(rig.mails(server.folder)) == 30)
    rig.wait_log(worker, 'msg="cannot make progress, will retry".*disk full')
    for _ in range(2):
        rig.database.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like"
            " 'rollcall-worker%'"
        )
    rig.database.execute("drop trigger full_disk on rollcall.outcome")
    rig.wait(run.complete, 60)
    assert (
        len(rig.mails(server.folder)) == 30
        and rig.database.value("select count(*) from sent") == 30
    )
    assert rig.database.rows("select attempt, count(*) from rollcall.outcome group by 1") == [
        (1, 30)
    ]
    rig.check_ledger(rig.events())
    rig.stop_all()


def test_a_record_that_cannot_work(rig, kafka, sink):
    """Its table was renamed after the start: the mails that went out stay applied, the type is
    paused before more go, and all is recorded later.
    """
    rig, server = (
        rig(
            kafka,
            people=200,
            retry=(
                'attempts = 9; base = "300ms"; max = "300ms"; pause_base = "500ms"; pause_max ='
                ' "1s";'
            ),
            batch_max=50,
        ),
        sink(),
    )
    through(rig, server.port)
    run = Run(rig)
    rig.start(lanes=["mail"])
    rig.database.execute("alter table sent rename to sent_once")
    rig.send(run.plan([run.task("careful", n) for n in range(1, 201)]), "mail")
    rig.wait(
        lambda: (
            rig.database.rows("select type, sqlstate from rollcall.paused_type_named")
            == [("club.careful", "42P01")]
        )
    )
    rig.wait(lambda: rig.position("mail") == 200)
    sent = len(rig.mails(server.folder))
    assert 0 < sent < 200 and len(states(rig)) == sent
    rig.database.execute("alter table sent_once rename to sent")
    rig.wait(lambda: states(rig) == [], 60)
    assert rig.database.value("select count(*) from sent") == sent == len(rig.mails(server.folder))
    rig.stop_all()

# SPDX-License-Identifier: Apache-2.0
"""A mail that was sent is never sent again because its record, or its outcome, could not be
written.
"""

import json

import pytest
from worker_pack import Run, adhoc
from worker_service import mail_sink, make_service, through  # noqa: F401

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


def states(service):
    return service.database.rows(
        "select subject, state, tries, due_at is null from rollcall.held order by 1"
    )


@pytest.mark.parametrize("state", ["PT403", "40P01", "55P03", "53200", "42501"])
def test_a_record_that_fails_for_one(make_service, kafka, mail_sink, state):
    """Whatever the class: each mail goes out once, the neighbours are recorded, the one is tried
    alone, and at last stays visible.
    """
    service, server = make_service(kafka, people=20), mail_sink()
    through(service, server.port)
    service.database.execute(RECORD)
    service.database.execute("update person set trap = 'record ' || %s where id = 7", (state,))
    run = Run(service)
    service.send(run.plan([run.task("careful", n) for n in range(1, 21)]), "mail")
    service.start(lanes=["mail"])
    service.wait(run.complete, 60)
    assert run.outcomes()["7"] == (
        "applied",
        f"applied, not recorded: not recorded by us (SQLSTATE {state})",
    )
    service.wait(lambda: states(service) == [("7", "record", 3, True)], 60)
    assert (
        service.database.value("select count(*) from sent") == 19
        and len(service.mails(server.folder)) == 20
    )
    listed = json.loads(service.rollcall("quarantine", "list", "--json"))
    assert [(r["subject"], r["state"]) for r in listed] == [("7", "record")]
    service.stop_all()


def test_a_record_that_fails_for_a_while(make_service, kafka, mail_sink):
    """It is recorded later, and the reason is corrected; of a run and ad-hoc. A later mail of
    the subject does not wait for it.
    """
    service, server = (
        make_service(kafka, people=5, retry='attempts = 9; base = "300ms"; max = "300ms";'),
        mail_sink(),
    )
    through(service, server.port)
    service.database.execute(RECORD)
    service.database.execute("update person set trap = 'record PT403' where id in (2, 3)")
    run = Run(service)
    service.send(
        run.plan([run.task("careful", n) for n in (1, 2)]) + [adhoc("club.careful", 3)], "mail"
    )
    service.start(lanes=["mail"])
    service.wait(run.complete, 60)
    service.wait(lambda: len(states(service)) == 2)
    service.send([adhoc("club.careful", 2, item="later")], "mail")
    service.wait(lambda: len(service.mails(server.folder)) == 4)
    service.database.execute("update person set trap = ''")
    service.wait(lambda: states(service) == [], 60)
    assert sorted(service.database.rows("select subject, item from sent")) == [
        (1, ""),
        (2, ""),
        (2, "later"),
        (3, ""),
    ]
    assert service.database.rows("select distinct outcome, reason from rollcall.outcome") == [
        (0, "")
    ]
    assert run.progress()["applied"] == 2 and len(service.mails(server.folder)) == 4
    service.stop_all()


def test_a_deadlock_while_a_hundred_are_recorded(make_service, kafka, mail_sink):
    """Met once: all are recorded by the same transaction, and nobody gets two mails."""
    service, server = make_service(kafka, people=100), mail_sink()
    through(service, server.port)
    service.database.execute(RECORD)
    service.database.execute("update person set trap = 'record 40P01 1' where id = 50")
    run = Run(service)
    service.send(run.plan([run.task("careful", n) for n in range(1, 101)]), "mail")
    service.start(lanes=["mail"])
    service.wait(run.complete, 60)
    service.wait(lambda: service.database.value("select count(*) from sent") == 100)
    assert (
        len(service.mails(server.folder)) == 100
        and set(run.outcomes().values()) == {("applied", "")}
        and states(service) == []
    )
    service.stop_all()


def test_outcomes_that_cannot_be_written(make_service, kafka, mail_sink):
    """The server has no room, and then ends the session: what was sent stays in memory, and is
    written when there is room again.
    """
    service, server = make_service(kafka, people=30), mail_sink()
    through(service, server.port)
    service.database.execute(FULL)
    run = Run(service)
    service.send(run.plan([run.task("careful", n) for n in range(1, 31)]), "mail")
    worker = service.start(lanes=["mail"])
    service.wait(lambda: len(service.mails(server.folder)) == 30)
    service.wait_log(worker, 'msg="cannot make progress, will retry".*disk full')
    for _ in range(2):
        service.database.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like"
            " 'rollcall-worker%'"
        )
    service.database.execute("drop trigger full_disk on rollcall.outcome")
    service.wait(run.complete, 60)
    assert (
        len(service.mails(server.folder)) == 30
        and service.database.value("select count(*) from sent") == 30
    )
    assert service.database.rows("select attempt, count(*) from rollcall.outcome group by 1") == [
        (1, 30)
    ]
    service.check_ledger(service.events())
    service.stop_all()


def test_a_record_that_cannot_work(make_service, kafka, mail_sink):
    """Its table was renamed after the start: the mails that went out stay applied, the type is
    paused before more go, and all is recorded later.
    """
    service, server = (
        make_service(
            kafka,
            people=200,
            retry=(
                'attempts = 9; base = "300ms"; max = "300ms"; pause_base = "500ms"; pause_max ='
                ' "1s";'
            ),
            batch_max=50,
        ),
        mail_sink(),
    )
    through(service, server.port)
    run = Run(service)
    service.start(lanes=["mail"])
    service.database.execute("alter table sent rename to sent_once")
    service.send(run.plan([run.task("careful", n) for n in range(1, 201)]), "mail")
    service.wait(
        lambda: (
            service.database.rows("select type, sqlstate from rollcall.paused_type_named")
            == [("club.careful", "42P01")]
        )
    )
    service.wait(lambda: service.position("mail") == 200)
    sent = len(service.mails(server.folder))
    assert 0 < sent < 200 and len(states(service)) == sent
    service.database.execute("alter table sent_once rename to sent")
    service.wait(lambda: states(service) == [], 60)
    assert (
        service.database.value("select count(*) from sent")
        == sent
        == len(service.mails(server.folder))
    )
    service.stop_all()

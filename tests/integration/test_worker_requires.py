# SPDX-License-Identifier: Apache-2.0
"""What a task type requires is asked in the effect's own transaction, whoever requested the task
and however it came.
"""

import re
import uuid

import pytest
from worker_pack import PACK_CFG, Run, adhoc
from worker_service import make_service  # noqa: F401

GATE = (
    "create table public.gate (ok boolean, reason text); insert into public.gate values (%s, 'the"
    " gate is closed')"
)
OPEN, CLOSED = GATE % "true", GATE % "false"
REQUIRES = (
    "select ok and :step >= 1 and :now is not null as ok, reason || case when :dry_run then '' else"
    " '' end as reason from gate -- no ; here"
)


def guarded(tmp_path, requires=REQUIRES, *names):
    (tmp_path / "club/sql").mkdir(parents=True, exist_ok=True)
    (tmp_path / "club/sql/gate_is_open.sql").write_text(requires)
    cfg = PACK_CFG
    for name in names or ("bump", "grant", "greet", "call", "census", "pack-logs"):
        cfg, n = re.subn(
            rf'{{ name = "{name}"; ',
            rf'{{ name = "{name}"; requires = "sql/gate_is_open.sql"; ',
            cfg,
            count=1,
        )
        assert n == 1
    return cfg


def ended(service, number):
    return lambda: service.database.value(
        "select count(*) = %s from rollcall.outcome where outcome >= 0", (number,)
    )


def answers(service):
    return {
        (r[0], r[1], r[2])
        for r in service.database.rows(
            "select split_part(type, '.', 2), outcome, reason from rollcall.outcome_named"
        )
    }


def ask(service, run):
    """One task of every kind, by a run and by hand."""
    service.send(
        run.plan(
            [
                run.task("bump", 1),
                run.task("greet", 2),
                run.task("call", 3),
                run.task("census", run.id),
                run.task("pack-logs", run.id),
            ]
        ),
        lane="tasks",
    )
    service.send([adhoc("club.bump", 4), adhoc("club.greet", 5), adhoc("club.grant", 6, days="3")])


@pytest.mark.parametrize("dry_run", [False, True])
def test_nothing_is_done_while_the_condition_is_not_met(make_service, kafka, tmp_path, dry_run):
    """SQL, mail, webhook, report and files; with arguments and without; the reason is the
    condition's.
    """
    service = make_service(kafka, people=9, pack_cfg=guarded(tmp_path))
    service.database.execute(CLOSED)
    run = Run(service, dry_run=dry_run)
    ask(service, run)
    service.start(lanes=["tasks"])
    service.wait(ended(service, 8))
    assert {a[1:] for a in answers(service)} == {("failed", "refused: the gate is closed")} and len(
        answers(service)
    ) == 6
    assert (
        service.journal() == {}
        and service.mails() == []
        and not list((tmp_path / "reports").glob("census*"))
    )
    service.check_ledger(service.events())
    service.stop_all()


def test_all_is_done_while_the_condition_is_met(make_service, kafka, tmp_path):
    service = make_service(
        kafka, people=9, pack_cfg=guarded(tmp_path, REQUIRES, "bump", "grant", "greet", "census")
    )
    service.database.execute(OPEN)
    run = Run(service)
    service.send(
        run.plan(
            [
                run.task("bump", 1),
                run.task("bump", 77),
                run.task("greet", 2),
                run.task("census", run.id),
            ]
        )
    )
    service.send([adhoc("club.bump", 4), adhoc("club.greet", 5), adhoc("club.grant", 6, days="3")])
    service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from rollcall.outcome_named where outcome >= '' and type <>"
                " 'club.thanks' and outcome not in ('pending', 'waiting')"
            )
            == 7
        ),
        60,
    )
    assert {a[:2] for a in answers(service)} >= {
        ("bump", "applied"),
        ("bump", "skipped"),
        ("greet", "applied"),
        ("census", "applied"),
        ("grant", "applied"),
    }
    assert (
        not {a[1] for a in answers(service)} & {"failed", "quarantined"}
        and len(service.mails()) == 2
    )
    service.stop_all()


@pytest.mark.parametrize(
    "requires, reason",
    [
        ("select true as ok, '' as reason where false", "refused: its condition gave no row"),
        ("select null::boolean as ok, 'not known' as reason", "refused: not known"),
        ("select false as ok, null::text as reason", "refused: its condition is not met"),
        ("select false as ok, '' as reason", "refused: its condition is not met"),
        (
            "select true as ok, '' as reason union all select true, ''",
            "refused: its condition gave more than one row",
        ),
        (
            (
                "with a as (select :actor = 'cli:ana' as ok) select not ok as ok, 'asked by ' ||"
                " :actor as reason from a"
            ),
            "refused: asked by cli:ana",
        ),
    ],
)
def test_only_a_plain_yes_lets_it_be_done(make_service, kafka, tmp_path, requires, reason):
    service = make_service(kafka, people=9, pack_cfg=guarded(tmp_path, requires, "bump"))
    service.send([adhoc("club.bump", 4)])
    service.start(lanes=["tasks"])
    service.wait(ended(service, 1))
    assert answers(service) == {("bump", "failed", reason)} and service.journal() == {}
    service.stop_all()


def test_a_later_try_and_a_replay_are_refused_too(make_service, kafka, tmp_path):
    """The condition was met at the first try, when the task failed by itself; afterwards it is
    not.
    """
    service = make_service(
        kafka,
        people=9,
        pack_cfg=guarded(tmp_path),
        retry='attempts = 2; base = "100ms"; max = "300ms";',
    )
    service.database.execute(OPEN + "; update person set trap = 'zero'")
    run = Run(service)
    service.send(run.plan([run.task("bump", 1)]))
    service.send([adhoc("club.bump", 4)])
    service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome where outcome = 3") == 2
        )
    )
    service.database.execute("update public.gate set ok = false; update person set trap = ''")
    service.rollcall("quarantine", "replay", "--all", "--yes")
    service.wait(lambda: answers(service) == {("bump", "failed", "refused: the gate is closed")})
    assert service.journal() == {}
    service.stop_all()


def test_a_deferred_mail_is_not_sent_once_the_condition_fails(
    make_service, kafka, tmp_path, database
):
    """The relay is unavailable at the first try."""
    service = make_service(
        kafka,
        people=9,
        pack_cfg=guarded(tmp_path),
        retry='attempts = 50; base = "100ms"; max = "200ms";',
    )
    service.database.execute(OPEN)
    (tmp_path / "club/hook.url").write_text("http://127.0.0.1:1/none")
    service.send([adhoc("club.call", 4)])
    service.start(lanes=["tasks"])
    service.wait(lambda: service.database.value("select count(*) from rollcall.held") == 1)
    service.database.execute("update public.gate set ok = false")
    service.wait(lambda: answers(service) == {("call", "failed", "refused: the gate is closed")})
    service.stop_all()


def test_the_condition_is_seen_as_the_effect_sees_it(make_service, kafka, tmp_path):
    """A statement that waits for a lock and a condition that changes meanwhile are one snapshot:
    what was met stays met, in one transaction with the effect.
    """
    service = make_service(
        kafka, people=9, pack_cfg=guarded(tmp_path, "select ok, reason from gate for share")
    )
    service.database.execute(OPEN)
    service.send([adhoc("club.bump", 4)])
    service.start(lanes=["tasks"])
    service.wait(ended(service, 1))
    assert answers(service) == {("bump", "applied", "")}
    service.stop_all()


def test_check_reads_the_condition(make_service, kafka, tmp_path):
    service = make_service(
        kafka, people=1, pack_cfg=guarded(tmp_path, "select 1 as ok,\n nonsense as reason", "bump")
    )
    worker = service.start(lanes=["tasks"], ready=False)
    worker.wait_until(lambda: "gate_is_open.sql:2" in worker.text())
    service.kill(worker)

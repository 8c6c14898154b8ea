# SPDX-License-Identifier: Apache-2.0
"""What a task type requires is asked in the effect's own transaction, whoever asked for the task
and however it came.
"""

import re
import uuid

import pytest
from worker_pack import PACK_CFG, Run, adhoc
from worker_service import rig  # noqa: F401

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


def ended(rig, number):
    return lambda: rig.database.value(
        "select count(*) = %s from rollcall.outcome where outcome >= 0", (number,)
    )


def answers(rig):
    return {
        (r[0], r[1], r[2])
        for r in rig.database.rows(
            "select split_part(type, '.', 2), outcome, reason from rollcall.outcome_named"
        )
    }


def ask(rig, run):
    """One task of every kind, by a run and by hand."""
    rig.send(
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
    rig.send([adhoc("club.bump", 4), adhoc("club.greet", 5), adhoc("club.grant", 6, days="3")])


@pytest.mark.parametrize("dry_run", [False, True])
def test_nothing_is_done_while_the_condition_is_not_met(rig, kafka, tmp_path, dry_run):
    """SQL, mail, webhook, report and files; with arguments and without; the reason is the
    condition's.
    """
    rig = rig(kafka, people=9, pack_cfg=guarded(tmp_path))
    rig.database.execute(CLOSED)
    run = Run(rig, dry_run=dry_run)
    ask(rig, run)
    rig.start(lanes=["tasks"])
    rig.wait(ended(rig, 8))
    assert {a[1:] for a in answers(rig)} == {("failed", "refused: the gate is closed")} and len(
        answers(rig)
    ) == 6
    assert (
        rig.journal() == {}
        and rig.mails() == []
        and not list((tmp_path / "reports").glob("census*"))
    )
    rig.check_ledger(rig.events())
    rig.stop_all()


def test_all_is_done_while_the_condition_is_met(rig, kafka, tmp_path):
    rig = rig(
        kafka, people=9, pack_cfg=guarded(tmp_path, REQUIRES, "bump", "grant", "greet", "census")
    )
    rig.database.execute(OPEN)
    run = Run(rig)
    rig.send(
        run.plan(
            [
                run.task("bump", 1),
                run.task("bump", 77),
                run.task("greet", 2),
                run.task("census", run.id),
            ]
        )
    )
    rig.send([adhoc("club.bump", 4), adhoc("club.greet", 5), adhoc("club.grant", 6, days="3")])
    rig.start(lanes=["tasks"])
    rig.wait(
        lambda: (
            rig.database.value(
                "select count(*) from rollcall.outcome_named where outcome >= '' and type <>"
                " 'club.thanks' and outcome not in ('pending', 'waiting')"
            )
            == 7
        ),
        60,
    )
    assert {a[:2] for a in answers(rig)} >= {
        ("bump", "applied"),
        ("bump", "skipped"),
        ("greet", "applied"),
        ("census", "applied"),
        ("grant", "applied"),
    }
    assert not {a[1] for a in answers(rig)} & {"failed", "quarantined"} and len(rig.mails()) == 2
    rig.stop_all()


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
def test_only_a_plain_yes_lets_it_be_done(rig, kafka, tmp_path, requires, reason):
    rig = rig(kafka, people=9, pack_cfg=guarded(tmp_path, requires, "bump"))
    rig.send([adhoc("club.bump", 4)])
    rig.start(lanes=["tasks"])
    rig.wait(ended(rig, 1))
    assert answers(rig) == {("bump", "failed", reason)} and rig.journal() == {}
    rig.stop_all()


def test_a_later_try_and_a_replay_are_refused_too(rig, kafka, tmp_path):
    """The condition was met at the first try, when the task failed by itself; afterwards it is
    not.
    """
    rig = rig(
        kafka,
        people=9,
        pack_cfg=guarded(tmp_path),
        retry='attempts = 2; base = "100ms"; max = "300ms";',
    )
    rig.database.execute(OPEN + "; update person set trap = 'zero'")
    run = Run(rig)
    rig.send(run.plan([run.task("bump", 1)]))
    rig.send([adhoc("club.bump", 4)])
    rig.start(lanes=["tasks"])
    rig.wait(
        lambda: rig.database.value("select count(*) from rollcall.outcome where outcome = 3") == 2
    )
    rig.database.execute("update public.gate set ok = false; update person set trap = ''")
    rig.rollcall("quarantine", "replay", "--all", "--yes")
    rig.wait(lambda: answers(rig) == {("bump", "failed", "refused: the gate is closed")})
    assert rig.journal() == {}
    rig.stop_all()


def test_a_deferred_mail_is_not_sent_once_the_condition_fails(rig, kafka, tmp_path, database):
    """The relay is away at the first try."""
    rig = rig(
        kafka,
        people=9,
        pack_cfg=guarded(tmp_path),
        retry='attempts = 50; base = "100ms"; max = "200ms";',
    )
    rig.database.execute(OPEN)
    (tmp_path / "club/hook.url").write_text("http://127.0.0.1:1/none")
    rig.send([adhoc("club.call", 4)])
    rig.start(lanes=["tasks"])
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.held") == 1)
    rig.database.execute("update public.gate set ok = false")
    rig.wait(lambda: answers(rig) == {("call", "failed", "refused: the gate is closed")})
    rig.stop_all()


def test_the_condition_is_seen_as_the_effect_sees_it(rig, kafka, tmp_path):
    """A statement that waits for a lock and a condition that changes meanwhile are one snapshot:
    what was met stays met, in one transaction with the effect.
    """
    rig = rig(kafka, people=9, pack_cfg=guarded(tmp_path, "select ok, reason from gate for share"))
    rig.database.execute(OPEN)
    rig.send([adhoc("club.bump", 4)])
    rig.start(lanes=["tasks"])
    rig.wait(ended(rig, 1))
    assert answers(rig) == {("bump", "applied", "")}
    rig.stop_all()


def test_check_reads_the_condition(rig, kafka, tmp_path):
    rig = rig(
        kafka, people=1, pack_cfg=guarded(tmp_path, "select 1 as ok,\n nonsense as reason", "bump")
    )
    worker = rig.start(lanes=["tasks"], ready=False)
    worker.wait_until(lambda: "gate_is_open.sql:2" in worker.text())
    rig.kill(worker)

# SPDX-License-Identifier: Apache-2.0
"""What a type's statement answers is checked before anything of it is committed: on the first
try and on every later one.
"""

import re

import pytest
from worker_pack import PACK_CFG, Run, adhoc
from worker_service import make_service  # noqa: F401

TOUCH = (
    "changed as (update person p set hits = hits + 1 from batch b where p.id = b.subject returning"
    " p.id, b.item), "
)
MAIL = (
    "p.email as to_address, 'P' as to_name, 'P' as name, '' as note from person p join batch b on"
    " b.subject = p.id"
)

# statement, what is wrong with the rows of the people 2 and 5
SQL = {
    "null outcome": (
        (
            "effect as (select id as subject, case when id not in (2, 5) then 'applied' end as"
            " outcome from changed)"
        ),
        "effect.outcome is NULL",
    ),
    "misspelt": (
        (
            "effect as (select id as subject, case when id not in (2, 5) then 'applied' else"
            " 'aplied' end as outcome from changed)"
        ),
        "effect.outcome is 'aplied'",
    ),
    "another action's": (
        (
            "effect as (select id as subject, case when id not in (2, 5) then 'applied' else 'send'"
            " end as outcome from changed)"
        ),
        "effect.outcome is 'send'",
    ),
    "empty": (
        (
            "effect as (select id as subject, case when id not in (2, 5) then 'applied' else '' end"
            " as outcome from changed)"
        ),
        "effect.outcome is ''",
    ),
    "upper case": (
        (
            "effect as (select id as subject, case when id not in (2, 5) then 'applied' else"
            " 'Applied' end as outcome from changed)"
        ),
        "effect.outcome is 'Applied'",
    ),
    "twice": (
        (
            "effect as (select id as subject, 'applied'::text as outcome from changed union all"
            " select id, 'applied' from changed where id in (2, 5))"
        ),
        "effect.subject is '2', expected each subject of batch once",
    ),
    "twice, differently": (
        (
            "effect as (select id as subject, 'applied'::text as outcome from changed union all"
            " select id, 'skipped' from changed where id in (2, 5))"
        ),
        "effect.subject is '2', expected each subject of batch once",
    ),
    "another item": (
        (
            "effect as (select id as subject, case when id in (2, 5) then 'x' else item end as"
            " item, 'applied'::text as outcome from changed)"
        ),
        "effect.item is 'x', expected '', the item of batch",
    ),
    "a follow-up that is not the type's": (
        (
            "effect as (select id as subject, 'applied'::text as outcome, case when id in (2, 5)"
            " then array['welcom'] end as follow_ups from changed)"
        ),
        "effect.follow_ups is 'welcom', expected names that follow_ups of the task type has",
    ),
    "a follow-up without a name": (
        (
            "effect as (select id as subject, 'applied'::text as outcome, case when id in (2, 5)"
            " then array[null::text] end as follow_ups from changed)"
        ),
        "effect.follow_ups is NULL",
    ),
}


def with_statement(tmp_path, text, name="bump"):
    """The pack with another statement behind a type."""
    (tmp_path / "club/sql").mkdir(parents=True, exist_ok=True)
    (tmp_path / "club/sql/own.sql").write_text(text)
    changed, n = re.subn(
        rf'({{ name = "{name}"; .*?statement = )"[^"]*"', r'\1"sql/own.sql"', PACK_CFG
    )
    assert n == 1
    return changed


def all_ended(service, of, number):
    return lambda: service.database.value(
        f"select count(*) = {number} from rollcall.outcome where {of} and outcome >= 0"
    )


@pytest.mark.parametrize("name", SQL)
def test_a_wrong_row_of_effect_is_refused(make_service, kafka, tmp_path, name):
    """In a run, for ad-hoc tasks and in a dry run; the person with the wrong row stands alone,
    and is refused on every try.
    """
    text, wrong = SQL[name]
    service = make_service(kafka, people=9, pack_cfg=with_statement(tmp_path, TOUCH + text))
    run, dry = Run(service), Run(service, job="other", dry_run=True)
    service.send(
        run.plan([run.task("bump", n) for n in (1, 2, 3)])
        + dry.plan([dry.task("bump", n) for n in (1, 2, 3)])
    )
    service.send([adhoc("club.bump", 4), adhoc("club.bump", 5)])
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    service.wait(dry.complete)
    service.wait(all_ended(service, "run_no = 0", 2))
    assert [run.outcomes()[n][0] for n in "123"] == ["applied", "quarantined", "applied"]
    assert [dry.outcomes()[n][0] for n in "123"] == ["applied", "failed", "applied"]
    by_hand = service.database.value(
        "select reason from rollcall.outcome_adhoc where subject = '5'"
    )
    for subject, reason in (
        ("2", run.outcomes()["2"][1]),
        ("2", dry.outcomes()["2"][1]),
        ("5", by_hand),
    ):
        assert (
            "club/sql/own.sql: " in reason
            and wrong.replace("'2'", f"'{subject}'") in reason
            and "expected" in reason
        ), reason
    assert (
        service.database.value(
            "select outcome from rollcall.outcome_named where run_no = 0 and subject = '4'"
        )
        == "applied"
    )
    assert service.database.rows("select id from person where hits > 0 order by 1") == [
        (1,),
        (3,),
        (4,),
    ]
    assert (
        service.database.value(
            "select min(attempt) from rollcall.outcome where subject in ('2', '5') and not dry_run"
            " and outcome = 3"
        )
        == 3
    )
    assert run.progress()["digest_matches"]
    service.stop_all()


@pytest.mark.parametrize(
    "outcome, wrong",
    [
        (
            "case when p.active then 'send' when not p.active then 'skipped' end",
            "effect.outcome is NULL",
        ),
        ("case when p.id = 2 then 'applied' else 'send' end", "effect.outcome is 'applied'"),
    ],
)
@pytest.mark.parametrize("how", ["run", "ad-hoc"])
def test_no_mail_is_noted_that_was_not_sent(make_service, kafka, tmp_path, outcome, wrong, how):
    """The outcome of a mail is 'send' or an answer that says why not; there is no third one,
    whichever try it is.
    """
    service = make_service(
        kafka,
        people=3,
        pack_cfg=with_statement(
            tmp_path, f"effect as (select p.id as subject, {outcome} as outcome, {MAIL})", "greet"
        ),
    )
    service.database.execute(
        "alter table person alter active drop not null; update person set active = null where"
        " id = 2"
    )
    run = Run(service)
    service.send(
        (
            run.plan([run.task("greet", n) for n in (1, 2, 3)])
            if how == "run"
            else [adhoc("club.greet", n) for n in (1, 2, 3)]
        ),
        lane="mail",
    )
    service.start(lanes=["mail"])
    service.wait(all_ended(service, "true", 3))
    assert sorted(m.to for m in service.mails()) == ["p1@example.org", "p3@example.org"]
    assert service.database.rows(
        "select subject, outcome, attempt from rollcall.outcome_named order by 1"
    ) == [("1", "applied", 1), ("2", "quarantined", 3), ("3", "applied", 1)]
    reason = service.database.value("select reason from rollcall.outcome where subject = '2'")
    assert wrong in reason and "expected 'send', 'skipped' or 'failed'" in reason
    service.rollcall("quarantine", "replay", "--all", "--yes")
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from rollcall.outcome where subject = '2' and attempt = 6 and"
                " outcome = 3"
            )
            == 1
        )
    )
    assert len(service.mails()) == 2
    service.stop_all()


EVERYBODY = (
    "x as (update person set hits = hits + 1 returning id), effect as (select id as subject,"
    " 'applied' as outcome from x)"
)
NOBODY_MORE = (
    TOUCH
    + "effect as (select id as subject, 'applied' as outcome from changed union all select null,"
    " null)"
)
FOREIGN = {  # by some tasks, and not without any
    "a neighbour": (
        "x as (update person set hits = hits + 1 where id in (select subject from batch union"
        " select subject + 100 from batch where subject % 10 = 2) returning id), effect as (select"
        " id as subject, 'applied' as outcome from x)"
    ),
    "nobody": (
        TOUCH
        + "effect as (select case when id % 10 <> 2 then id end as subject, 'applied' as outcome"
        " from changed)"
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_statement_acts_on_nobody_beyond_its_batch(make_service, kafka, tmp_path, name):
    """All of it is undone, for every task of the batch: half of it is no more to be trusted than
    the whole.
    """
    service = make_service(
        kafka, people=300, partitions=1, pack_cfg=with_statement(tmp_path, FOREIGN[name])
    )
    run, dry = Run(service), Run(service, job="other", dry_run=True)
    service.send(
        run.plan([run.task("bump", 2)])
        + dry.plan([dry.task("bump", n) for n in (11, 12, 13)])
        + [adhoc("club.bump", n) for n in (22, 32)]
    )
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    service.wait(dry.complete)
    service.wait(all_ended(service, "run_no = 0", 2))
    assert service.database.value("select count(*) from person where hits <> 0") == 0
    assert {r[0] for r in run.outcomes().values()} == {"quarantined"} and {
        r[0] for r in dry.outcomes().values()
    } == {"failed"}
    reason = run.outcomes()["2"][1]
    assert (
        "club/sql/own.sql: effect.subject is " in reason
        and "expected a subject of batch" in reason
        and "RC003" in reason
    )
    service.stop_all()


@pytest.mark.parametrize("statement", [EVERYBODY, NOBODY_MORE])
def test_a_statement_that_never_reads_its_batch_is_paused(make_service, kafka, tmp_path, statement):
    """It acts also without any task, so it is its own fault: few tasks are enough, none of the
    300 people is changed, and no task ends. Others continue.
    """
    service = make_service(
        kafka,
        people=300,
        pack_cfg=with_statement(tmp_path, statement),
        retry=(
            'attempts = 3; base = "100ms"; max = "100ms"; pause_base = "500ms"; pause_max ='
            ' "500ms";'
        ),
    )
    run = Run(service)
    service.send(
        run.plan([run.task("bump", n) for n in (1, 2, 3)] + [run.task("other", 4)])
        + [adhoc("club.bump", 5)]
    )
    worker = service.start(lanes=["tasks"])
    service.wait(
        lambda: service.database.value(
            "select coalesce(max(tries), 0) >= 2 from rollcall.paused_type"
        )
    )
    why = service.database.rows("select type, sqlstate, reason from rollcall.paused_type_named")
    assert [w[:2] for w in why] == [
        ("club.bump", "RC003")
    ] and "club/sql/own.sql: effect.subject is " in why[0][2]
    service.wait(lambda: run.outcomes() == {"4": ("applied", "")})
    assert service.database.rows("select subject, state, tries from rollcall.held") == [
        ("5", "retry", 0)
    ]
    assert service.database.rows("select id from person where hits <> 0") == [(4,)]
    assert worker.text().count('msg="task type paused" type=club.bump') == 1
    service.stop_all()


def test_doubled_columns_of_effect_are_named(make_service, kafka, tmp_path):
    service = make_service(
        kafka,
        people=3,
        pack_cfg=with_statement(
            tmp_path,
            TOUCH
            + "effect as (select id as subject, 'applied' as outcome, 'a' as reason, 'b' as reason"
            " from changed)",
        ),
    )
    worker = service.start(lanes=["tasks"], ready=False)
    worker.wait_until(
        lambda: (
            'own.sql: effect has the column \\"reason\\" twice' in worker.text()
            or 'own.sql: effect has the column "reason" twice' in worker.text()
        )
    )
    worker.kill()

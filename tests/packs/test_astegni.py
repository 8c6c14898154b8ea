# SPDX-License-Identifier: Apache-2.0
"""The pack astegni: what goes, what stays, who may decide; by PostgreSQL alone."""

import json
import threading
import uuid
from datetime import timedelta
from itertools import count

import psycopg
import pytest
from people import TODAY as NOW
from people import snapshot

serial = count(1)
ROLES = ("student", "tutor", "parent", "advertiser")
AGO, LATER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
RUN = uuid.uuid4()


def user(db, roles=("student",), goes=None, role_goes=None, profiles=1, **columns):
    """role_goes: {role: instant}."""
    n = next(serial)
    row = {
        "first_name": "Abebe",
        "email": f"abebe.{n}@example.com",
        "roles": list(roles),
        "scheduled_deletion_at": goes,
        "is_active": goes is None,
        **columns,
    }
    made = db.execute(
        f"insert into astegni.users ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})"
        " returning id",
        list(row.values()),
    ).fetchone()[0]
    for role in set(roles) & set(ROLES):
        for _ in range(profiles):
            at = (role_goes or {}).get(role)
            profile = db.execute(
                f"insert into astegni.{role}_profiles (user_id, is_active, scheduled_deletion_at)"
                " values (%s, %s, %s) returning id",
                [made, at is None, at],
            ).fetchone()[0]
            if role == "tutor":
                db.execute(
                    "insert into astegni.tutor_sessions (tutor_profile_id, held_at) values (%s,"
                    " now())",
                    [profile],
                )
    return made


def roles(db, u):
    row = db.execute("select roles from astegni.users where id = %s", [u]).fetchone()
    return row and row[0]


def profiles(db, role, u):
    return db.execute(
        f"select count(*) from astegni.{role}_profiles where user_id = %s", [u]
    ).fetchone()[0]


def audit(db):
    return db.execute(
        "select deletion_type, user_id, user_email, role_name, automated from"
        " astegni.deletion_audit_log order by id"
    ).fetchall()


def purge(pack, task_type, **options):
    """A run: each subject once per batch, as the engine splits it."""
    rows, tasks = [], pack.due(task_type, NOW, **options)
    while tasks:
        batch = list({u: (u, i) for u, i in reversed(tasks)}.values())
        rows += pack.run(
            task_type, batch, NOW, run_id=RUN, **{"actor": "scheduler", **options}
        ).values()
        tasks = [t for t in tasks if t not in batch]
    return sorted((r["subject"], r.get("item", ""), r["outcome"], r["reason"]) for r in rows)


def test_purge_of_a_role(db, astegni):
    both = user(db, ("student", "tutor"), role_goes={"tutor": AGO})
    exact = user(db, ("parent",), role_goes={"parent": NOW})
    later = user(db, ("student",), role_goes={"student": LATER})
    every = user(db, ROLES, role_goes={r: AGO for r in ROLES})
    assert astegni.due("purge-role", NOW) == sorted(
        [(both, "tutor"), (exact, "parent")] + [(every, r) for r in ROLES]
    )
    rows = astegni.run(
        "purge-role",
        [(both, "tutor"), (exact, "parent"), (later, "student")],
        NOW,
        run_id=RUN,
        actor="scheduler",
    )
    assert {
        u: (r["item"], r["outcome"], r["reason"], r["before"], r["after"]) for u, r in rows.items()
    } == {
        both: ("tutor", "applied", "grace period over", "tutor", ""),
        exact: ("parent", "applied", "grace period over", "parent", ""),
    }
    assert (
        roles(db, both) == ["student"]
        and roles(db, exact) == []
        and roles(db, later) == ["student"]
    )
    assert (
        profiles(db, "tutor", both) == 0
        and profiles(db, "student", both) == 1
        and profiles(db, "student", later) == 1
    )
    assert (
        db.execute("select count(*) from astegni.tutor_sessions").fetchone()[0] == 1
    )  # those of `every`
    assert audit(db) == [
        ("role", both, f"abebe.{email(db, both)}@example.com", "tutor", True),
        ("role", exact, f"abebe.{email(db, exact)}@example.com", "parent", True),
    ]
    purge(astegni, "purge-role")
    assert roles(db, every) == [] and len(audit(db)) == 6 and astegni.due("purge-role", NOW) == []


def email(db, u):
    return db.execute(
        "select split_part(split_part(email, '@', 1), '.', 2) from astegni.users where id = %s", [u]
    ).fetchone()[0]


def test_by_hand_is_not_automated(db, astegni):
    u = user(db, ("tutor",), role_goes={"tutor": AGO})
    astegni.run("purge-role", [(u, "tutor")], NOW)
    a = user(db, goes=AGO)
    astegni.run("purge-account", [a], NOW)
    assert [row[4] for row in audit(db)] == [False, False]


def test_a_second_profile_that_is_not_due_keeps_the_role(db, astegni):
    u = user(db, ("tutor",), role_goes={"tutor": AGO}, profiles=2)
    db.execute(
        "update astegni.tutor_profiles set scheduled_deletion_at = null where id = (select max(id)"
        " from astegni.tutor_profiles where user_id = %s)",
        [u],
    )
    assert astegni.run("purge-role", [(u, "tutor")], NOW)[u]["outcome"] == "applied"
    assert profiles(db, "tutor", u) == 1 and roles(db, u) == ["tutor"]


def test_more_tables_by_configuration_alone(db, astegni):
    db.execute(
        "create table astegni.trainers (like astegni.student_profiles including all, foreign key"
        " (user_id) references astegni.users on delete cascade)"
    )
    u = user(db, ("coach", "student"))
    db.execute(
        "insert into astegni.trainers (user_id, scheduled_deletion_at) values (%s, %s)", [u, AGO]
    )
    options = {"settings": {"profile_tables": "{student_profiles,coach=trainers}"}}
    assert astegni.due("purge-role", NOW) == [] and astegni.due("purge-role", NOW, **options) == [
        (u, "coach")
    ]
    assert purge(astegni, "purge-role", **options) == [
        (u, "coach", "applied", "grace period over")
    ] and roles(db, u) == ["student"]
    with pytest.raises(psycopg.errors.UndefinedTable):
        astegni.due(
            "purge-role", NOW, settings={"profile_tables": "{users; drop table users_profiles}"}
        )


def test_purge_of_an_account(db, astegni):
    goes, stays = user(db, ("student", "tutor"), goes=AGO), user(db, goes=LATER)
    name = email(db, goes)
    rows = astegni.run("purge-account", [goes, stays, 10**9], NOW, run_id=RUN, actor="scheduler")
    assert {u: (r["outcome"], r["reason"], r["before"]) for u, r in rows.items()} == {
        goes: ("applied", "grace period over", "account with roles student, tutor")
    }
    assert (
        roles(db, goes) is None
        and profiles(db, "tutor", goes) == 0
        and roles(db, stays) == ["student"]
    )
    assert audit(db) == [("account", goes, f"abebe.{name}@example.com", None, True)]
    assert not any("@" in str(v) for r in rows.values() for v in r.values())


def approve(pack, u, by, **options):
    """By the database role that is that user's."""
    pack.conn.execute(
        "insert into rollcall_astegni.operator_identity select %s, id from astegni.users where"
        " email = %s on conflict do nothing",
        [by, by],
    )
    return pack.run(
        "approve-deletion", [u], NOW, arguments={"by": by, "reason": "contract ended"}, **options
    )[u]


def test_a_high_value_account_needs_an_approval(db, astegni):
    admin = user(db, ("admin",), email="boss@example.com")
    rich = user(db, goes=AGO, high_value=True)
    assert astegni.due("purge-account", NOW) == [(rich, "")]
    row = astegni.run("purge-account", [rich], NOW)[rich]
    assert (row["outcome"], row["reason"], row["before"]) == (
        "skipped",
        "high-value account: needs approval",
        None,
    ) and audit(db) == []
    assert approve(astegni, rich, "boss@example.com")["outcome"] == "applied"
    db.execute(
        "update astegni.users set scheduled_deletion_at = scheduled_deletion_at - interval '1 hour'"
        " where id = %s",
        [rich],
    )
    assert (
        astegni.run("purge-account", [rich], NOW)[rich]["outcome"] == "skipped"
    )  # another date was approved
    assert approve(astegni, rich, "boss@example.com")["outcome"] == "applied"
    row = astegni.run("purge-account", [rich], NOW)[rich]
    assert (
        (row["outcome"], row["reason"]) == ("applied", "grace period over, approved")
        and roles(db, rich) is None
        and admin
    )


def test_who_may_approve(db, astegni):
    user(db, ("admin",), email="boss@example.com")
    user(db, ("admin",), email="asker@example.com")
    user(db, ("admin",), email="retired@example.com", is_active=False)
    user(db, ("student",), email="student@example.com")
    rich, poor, kept = (
        user(db, ("admin",), goes=LATER, high_value=True, is_active=True),
        user(db, goes=LATER),
        user(db, high_value=True),
    )
    own = db.execute("select email from astegni.users where id = %s", [rich]).fetchone()[0]
    assert (
        astegni.run(
            "schedule-deletion", [rich], NOW, arguments={"by": "asker@example.com", "reason": "x"}
        )[rich]["outcome"]
        == "applied"
    )
    db.execute("update astegni.users set is_active = true where id = %s", [rich])
    assert approve(astegni, 10**9, "boss@example.com")["outcome"] == "failed"
    for by, outcome, reason in [
        (
            "nobody@example.com",
            "failed",
            (
                "approver is not known: rollcall_astegni.operator_identity has no user for"
                " nobody@example.com"
            ),
        ),
        ("retired@example.com", "skipped", "approver is not active"),
        ("student@example.com", "skipped", "approver has not the role admin"),
        ("asker@example.com", "skipped", "the requester must not approve"),
        (own, "skipped", "nobody approves their own deletion"),
    ]:
        row = approve(astegni, rich, by)
        assert (row["outcome"], row["reason"]) == (outcome, reason)
    assert (
        approve(astegni, poor, "boss@example.com")["reason"]
        == "not a high-value account: needs no approval"
    )
    assert approve(astegni, kept, "boss@example.com")["reason"] == "no deletion is scheduled"
    assert (
        approve(astegni, rich, "student@example.com", settings={"approver_role": ""})["outcome"]
        == "applied"
    )
    assert approve(astegni, rich, "boss@example.com")["reason"] == "approved already"


@pytest.mark.parametrize("what", ["account", "role", "approval"])
def test_a_cancellation_that_commits_first_wins(db, astegni, server, what):
    """Invariant D: the deleting statement itself reads the date again, even when it had to wait
    for the row.
    """
    from composer import Pack

    u = user(
        db,
        ("tutor",),
        goes=None if what == "role" else AGO,
        role_goes={"tutor": AGO} if what == "role" else None,
        high_value=what == "approval",
    )
    if what == "approval":
        db.execute(
            "insert into rollcall_astegni.deletion_approval (user_id, due_at, approved_by, reason)"
            " values (%s, %s, 'x', 'x')",
            [u, AGO],
        )
    undo = {
        "account": "update astegni.users set scheduled_deletion_at = null where id = %s",
        "role": "update astegni.tutor_profiles set scheduled_deletion_at = null where user_id = %s",
        "approval": "delete from rollcall_astegni.deletion_approval where user_id = %s",
    }[what]
    task = ("purge-role", [(u, "tutor")]) if what == "role" else ("purge-account", [u])
    got = {}
    with server.connect("pack_test") as other, server.connect("pack_test") as third:
        with other.transaction():
            other.execute(undo, [u])
            waiting = threading.Thread(
                target=lambda: got.update(rows=Pack("astegni", third).run(*task, NOW))
            )
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()
        waiting.join(10)
    assert [r["outcome"] for r in got["rows"].values()] in ([], ["skipped"])
    assert roles(db, u) == ["tutor"] and profiles(db, "tutor", u) == 1 and audit(db) == []


def test_a_dry_run_deletes_nothing(db, astegni):
    u, r = user(db, goes=AGO), user(db, ("tutor",), role_goes={"tutor": AGO})
    before = snapshot(db, "astegni")
    assert astegni.run("purge-account", [u], NOW, dry_run=True)[u]["outcome"] == "applied"
    assert astegni.run("purge-role", [(r, "tutor")], NOW, dry_run=True)[r]["outcome"] == "applied"
    assert snapshot(db, "astegni") == before


def test_a_failing_profile_fails_alone(db, astegni):
    good, bad = (
        [user(db, ("tutor",), role_goes={"tutor": AGO}) for _ in range(3)],
        user(db, ("tutor",), role_goes={"tutor": AGO}, email="blocked@example.com"),
    )
    db.execute(
        f"""create function astegni.refuse() returns trigger language plpgsql as $$ begin
                     if old.user_id = {bad}
                         then raise exception 'registro bloqueado'; end if; return old; end $$;
                   create trigger refuse before delete on astegni.tutor_profiles for each row
                       execute function astegni.refuse()"""
    )
    with pytest.raises(psycopg.errors.RaiseException):
        astegni.run("purge-role", [(u, "tutor") for u in [*good, bad]], NOW)
    assert (
        audit(db) == [] and len(astegni.run("purge-role", [(u, "tutor") for u in good], NOW)) == 3
    )


def test_the_backup_must_be_fresh_and_verified(db, astegni):
    def check(**options):
        (row,) = astegni.query(
            astegni.file(astegni.jobs["purge-expired"]["requires"]), astegni.values(NOW, **options)
        )
        return row["ok"], row["reason"]

    def record(at, **arguments):
        subject = int(at.timestamp())
        return astegni.run("record-backup", [subject], NOW, arguments=arguments)[subject]

    assert check() == (
        False,
        "no verified backup is recorded: rollcall record-backup TAKEN_AT --name NAME",
    )
    assert check(dry_run=True) == (True, "")
    assert record(NOW - timedelta(hours=27), name="old")["outcome"] == "applied"
    ok, reason = check()
    assert (
        not ok
        and reason
        == "the newest verified backup was taken 2026-03-09 09:00, more than 26 hours before"
        " the run"
    )
    assert check(settings={"backup_max_age_hours": 48}) == (True, "")
    assert record(NOW + timedelta(days=1), name="x")["outcome"] == "skipped"
    (found,) = astegni.lookup("record-backup", "2026-03-10T03:00-03:00", NOW)
    assert found == {
        "subject": int(NOW.timestamp()) - 3 * 3600,
        "taken_at": "2026-03-10 09:00",
        "recorded_as": None,
        "newest_so_far": "old, taken 2026-03-09 09:00",
    }
    assert (
        record(NOW - timedelta(hours=3), name="nightly", by="ops")["after"]
        == "nightly, taken 2026-03-10 09:00"
    )
    assert check() == (True, "")
    assert db.execute(
        "select recorded_by from rollcall_astegni.backup_verified order by taken_at"
    ).fetchall() == [("test",), ("ops",)]
    assert astegni.lookup("record-backup", "now", NOW)[0]["subject"] == int(NOW.timestamp())
    assert astegni.lookup("record-backup", "2026-03-10T06:00Z", NOW)[0]["recorded_as"] == "nightly"


def test_schedule_and_cancel_an_account(db, astegni):
    user(db, ("admin",), email="boss@example.com")
    u, due = user(db), user(db, goes=AGO)

    def run(name, who, **a):
        return astegni.run(name, [who], NOW, arguments=a)[who]

    by = {"by": "boss", "reason": "left"}
    assert run("cancel-deletion", u)["reason"] == "no deletion is scheduled"
    assert run("schedule-deletion", 10**9, **by)["reason"] == f"user {10**9} does not exist"
    row = run("schedule-deletion", u, **by)
    assert (row["outcome"], row["before"], row["after"]) == (
        "applied",
        "account stays",
        "account goes on 2026-06-08 12:00",
    )
    state = "select is_active, scheduled_deletion_at from astegni.users where id = %s"
    assert db.execute(state, [u]).fetchone() == (False, NOW + timedelta(days=90))
    assert (
        run("schedule-deletion", due, **by)["reason"]
        == run("cancel-deletion", due)["reason"]
        == "the deletion is due already"
    )
    assert run("cancel-deletion", u)["outcome"] == "applied" and db.execute(
        state, [u]
    ).fetchone() == (True, None)
    assert db.execute("select count(*) from rollcall_astegni.deletion_request").fetchone()[0] == 0


def test_a_cancellation_gives_back_what_was(db, astegni):
    user(db, ("admin",), email="boss@example.com")

    def run(name, who, **a):
        return astegni.run(name, [who], NOW, arguments={"reason": "x", **a})[who]

    state = "select is_active, scheduled_deletion_at from astegni.users where id = %s"
    for active in (False, True):
        u = user(db, is_active=active)
        for _ in range(2):  # another date keeps the state before the first
            assert run("schedule-deletion", u, by="boss@example.com")["outcome"] == "applied"
        assert db.execute(state, [u]).fetchone()[0] is False
        assert run("cancel-deletion", u)["outcome"] == "applied" and db.execute(
            state, [u]
        ).fetchone() == (active, None)
    left = user(db, goes=LATER)  # by the application: nobody knows what was before
    assert run("cancel-deletion", left)["outcome"] == "applied" and db.execute(
        state, [left]
    ).fetchone() == (True, None)
    tutor = user(db, ("tutor",), profiles=3)
    closed = db.execute(
        "update astegni.tutor_profiles set is_active = false where id = (select min(id) from"
        " astegni.tutor_profiles where user_id = %s) returning id",
        [tutor],
    ).fetchone()[0]
    for _ in range(2):
        assert (
            run("schedule-deletion", tutor, role="tutor", by="boss@example.com")["outcome"]
            == "applied"
        )
    assert run("cancel-deletion", tutor, role="tutor")["outcome"] == "applied"
    assert db.execute(
        "select id from astegni.tutor_profiles where user_id = %s and not is_active", [tutor]
    ).fetchall() == [(closed,)]


def test_a_due_account_that_nobody_approved_can_be_kept(db, astegni):
    user(db, ("admin",), email="boss@example.com")

    def run(name, who, **a):
        return astegni.run(name, [who], NOW, arguments={"reason": "x", **a})[who]

    rich, approved = user(db, goes=AGO, high_value=True), user(db, goes=AGO, high_value=True)
    assert approve(astegni, approved, "boss@example.com")["outcome"] == "applied"
    assert run("cancel-deletion", approved)["reason"] == "the deletion is due already"
    assert run("cancel-deletion", rich)["outcome"] == "applied"
    assert astegni.due("purge-account", NOW) and rich not in [
        u for u, _ in astegni.due("purge-account", NOW)
    ]


def test_addresses_that_differ_by_case_only(db, astegni):
    one, two = user(db, email="Ana@x.example"), user(db, email="ana@x.example")
    rows = astegni.lookup("schedule-deletion", "ana@x.example", NOW)
    assert [r["subject"] for r in rows] == [one, two]  # the tool refuses, and shows both
    assert [r["subject"] for r in astegni.lookup("schedule-deletion", f"#{two}", NOW)] == [two]


def test_schedule_and_cancel_a_role(db, astegni):
    user(db, ("admin",), email="boss@example.com")
    u, due = user(db, ("student", "tutor")), user(db, ("tutor",), role_goes={"tutor": AGO})

    def run(name, who, **a):
        return astegni.run(name, [who], NOW, arguments={"reason": "x", **a})[who]

    assert (
        run("schedule-deletion", u, role="parent", by="boss")["reason"]
        == "user has not the role parent"
    )
    assert (
        run("schedule-deletion", u, role="tutor", days=10, by="boss")["after"]
        == "tutor goes on 2026-03-20 12:00"
    )
    assert db.execute(
        "select is_active, scheduled_deletion_at from astegni.tutor_profiles where user_id = %s",
        [u],
    ).fetchone() == (False, NOW + timedelta(days=10))
    assert (
        astegni.lookup("cancel-deletion", f"#{u}", NOW)[0]["roles_that_go"]
        == "tutor 2026-03-20 12:00"
    )
    for name, more in (("schedule-deletion", {"by": "boss"}), ("cancel-deletion", {})):
        assert run(name, due, role="tutor", **more)["outcome"] == "skipped"
    assert run("cancel-deletion", u, role="tutor")["outcome"] == "applied"
    assert db.execute(
        "select is_active, scheduled_deletion_at from astegni.tutor_profiles where user_id = %s",
        [u],
    ).fetchone() == (True, None)
    assert profiles(db, "tutor", due) == 1


def test_scheduled_deletions(db, astegni):
    a, b = user(db, goes=AGO, high_value=True), user(db, goes=NOW + timedelta(days=30))
    c = user(db, ("tutor",), role_goes={"tutor": NOW + timedelta(days=5)})
    user(db, goes=NOW + timedelta(days=100))
    doc = astegni.report("scheduled-deletions", NOW)
    assert doc["summary"] == {
        "accounts": 2,
        "accounts_due": 1,
        "accounts_that_await_approval": 1,
        "roles": 1,
        "roles_due": 0,
    }
    assert [(r["user_id"], r["days_left"], r["high_value"]) for r in doc["accounts"]] == [
        (a, 0, True),
        (b, 30, False),
    ]
    assert [(r["user_id"], r["role"], r["days_left"]) for r in doc["roles"]] == [(c, "tutor", 5)]
    assert astegni.report("scheduled-deletions", NOW, max_rows=1)["summary"]["accounts"] == 2


def finished_run(db, rows, dry_run=False):
    """The ledger after a run; rows: (type, subject, item, outcome, reason)."""
    run = uuid.uuid4()
    number = db.execute(
        """insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,
            dry_run, state)
                           values (%s, 'astegni', 'purge-expired', %s, %s, 'schedule', 'scheduler',
                               %s, 'succeeded') returning run_no""",
        [run, NOW, NOW.date(), dry_run],
    ).fetchone()[0]
    db.execute("select rollcall.ensure_day(%s)", [NOW.date()])
    for name, subject, item, outcome, reason in rows:
        type_no = db.execute(
            "insert into rollcall.task_type (name) values (%s) on conflict (name) do update set"
            " name = excluded.name returning type_no",
            [name],
        ).fetchone()[0]
        db.execute(
            """insert into rollcall.outcome (run_no, src_offset, day, source_no, type_no, outcome,
                subject, item, reason)
                      values (%s, 0, %s, 1, %s, %s, %s, %s, %s)""",
            [number, NOW.date(), type_no, outcome, str(subject), item, reason],
        )
    return str(run)


ROWS = [
    ("astegni.purge-role", 5, "tutor", 0, "grace period over"),
    ("astegni.purge-role", 5, "parent", 0, "grace period over"),
    ("astegni.purge-role", 6, "tutor", 2, "registro bloqueado"),
    ("astegni.purge-account", 7, "", 0, "grace period over"),
    ("astegni.purge-account", 8, "", 1, "high-value account: needs approval"),
]


def test_the_summary_by_mail_and_webhook(db, astegni):
    run = finished_run(db, ROWS)
    mail = astegni.run("purge-summary-mail", [run], NOW)[run]
    assert (mail["outcome"], mail["reason"], mail["failed"], mail["waiting"]) == (
        "send",
        "2 roles and 1 accounts deleted",
        1,
        1,
    )
    off = astegni.run("purge-summary-webhook", [run], NOW)[run]
    assert (off["outcome"], off["reason"]) == ("skipped", "the setting webhook is off")
    hook = astegni.run("purge-summary-webhook", [run], NOW, settings={"webhook": True})[run]
    assert hook["outcome"] == "send" and json.loads(hook["body"]) == {
        "text": "Astegni: 2 roles and 1 accounts deleted, 1 failed, 1 await approval"
    }
    alert = astegni.run("account-deletion-alert", [run], NOW)[run]
    assert (alert["outcome"], alert["accounts"], alert["deleted"], alert["more"]) == (
        "send",
        1,
        "#7",
        False,
    )
    doc = astegni.report("purge-summary", NOW)
    assert doc["summary"] == {
        "roles_deleted": 2,
        "accounts_deleted": 1,
        "await_approval": 1,
        "errors": 1,
    }
    assert (
        doc["by_role"] == [{"role": "parent", "deleted": 1}, {"role": "tutor", "deleted": 1}]
        and doc["errors"][0]["error"] == "registro bloqueado"
    )


def test_no_alert_without_accounts_and_none_for_a_dry_run(db, astegni):
    run = finished_run(db, ROWS[:3])
    assert astegni.run("account-deletion-alert", [run], NOW)[run]["reason"] == "no accounts deleted"
    dry = finished_run(db, ROWS, dry_run=True)
    for name in ("purge-summary-mail", "purge-summary-webhook", "account-deletion-alert"):
        assert (
            astegni.run(name, [dry], NOW, settings={"webhook": True})[dry]["outcome"] == "skipped"
        )


def test_failure_alert(db, astegni):
    run = finished_run(db, [])
    db.execute("update rollcall.run set state = 'refused', reason = 'no verified backup'")
    row = astegni.run("failure-alert", [run], NOW)[run]
    assert row["outcome"] == "send" and (row["state"], row["why"]) == (
        "refused",
        "no verified backup",
    )


def test_the_job_has_the_documented_schedule(astegni):
    job = astegni.jobs["purge-expired"]
    assert (job["schedule"], job["catch_up"], job["tasks"]) == (
        "0 2 * * *",
        "latest",
        ["purge-role", "purge-account"],
    )
    text = (astegni.folder / "pack.cfg").read_text()
    for path in astegni.folder.glob("*/*"):
        assert str(path.relative_to(astegni.folder)) in text, path


def test_only_a_run_by_schedule_is_automated(db):
    for cause, expected in (("manual", False), ("schedule", True), ("catch_up", True)):
        run = db.execute(
            """insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,
                dry_run, state)
                            values (gen_random_uuid(), 'astegni', 'purge-expired', now(),
                                current_date, %s, 'eva', false, 'published') returning run_id""",
            [cause],
        ).fetchone()[0]
        assert db.execute("select rollcall_astegni.automated(%s)", [run]).fetchone()[0] is expected
    assert db.execute("select rollcall_astegni.automated(null)").fetchone()[0] is False

# SPDX-License-Identifier: Apache-2.0
"""The operator's task types: extend and its kin."""

from datetime import timedelta

import pytest
from people import TODAY, at, column, history, person, status

WHY = {"reason": "contrato prorrogado"}


def extend(equipemed, user, now=TODAY, **arguments):
    return equipemed.run("extend", [user], now, arguments={"days": 60, **WHY, **arguments})[user]


@pytest.mark.parametrize(
    "days, old, new",
    [
        (5, "expiring_soon", "active"),
        (-10, "expired", "active"),
        (-40, "expired", "expiring_soon"),
        (-100, "expired", "expired"),
        (5, "inactive", "inactive"),
        (5, "suspended", "suspended"),
        (5, "renewal_required", "active"),
    ],
)
def test_extend_counts_from_the_expiry(db, equipemed, days, old, new):
    user, admin = (
        person(db, access_expires_at=at(days, 23, 30), account_status=old),
        person(db, username="chefe"),
    )
    row = extend(equipemed, user, by="chefe")
    assert (row["outcome"], row["reason"]) == ("applied", "contrato prorrogado")
    assert (
        row["before"] == f"{old}, expires {at(days):%d/%m/%Y} 23:30"
        and row["after"] == f"{new}, expires {at(days + 60):%d/%m/%Y} 23:30"
    )
    assert (
        column(db, user, "access_expires_at") == at(days + 60, 23, 30) and status(db, user) == new
    )
    assert column(db, user, "reviewed_by_id") == admin
    kind, reason, by, _, new_status, expires = history(db, user)[0]
    assert (kind, reason, by, new_status, expires) == (
        "~",
        "Access extended: contrato prorrogado",
        admin,
        new,
        at(days + 60, 23, 30),
    )


def test_extend_without_an_expiry_counts_from_now(db, equipemed):
    user = person(db, access_expires_at=None)
    row = extend(equipemed, user)
    assert row["before"] == "active, never expires" and column(
        db, user, "access_expires_at"
    ) == TODAY + timedelta(days=60)


def test_extend_refuses(db, equipemed):
    user, departed = (
        person(db, access_expires_at=at(5)),
        person(db, access_expires_at=at(-5), account_status="departed"),
    )
    row = equipemed.run("extend", [999999999], TODAY, arguments={"days": 1, **WHY})[999999999]
    assert (row["outcome"], row["reason"]) == ("failed", "user 999999999 does not exist")
    row = extend(equipemed, user, by="ninguem")
    assert (row["outcome"], row["reason"]) == ("failed", "administrator ninguem does not exist")
    row = extend(equipemed, departed)
    assert (
        row["outcome"] == "skipped"
        and "force" in row["reason"]
        and row["after"] is None
        and status(db, departed) == "departed"
    )
    assert (
        column(db, user, "access_expires_at") == at(5)
        and history(db, user) == history(db, departed) == []
    )
    row = extend(equipemed, departed, force=True)
    assert (
        row["outcome"] == "applied"
        and status(db, departed) == "active"
        and column(db, departed, "access_expires_at") == at(55)
    )


def test_a_long_reason_fits_the_history(db, equipemed):
    user = person(db, access_expires_at=at(5))
    extend(equipemed, user, reason="é" * 300)
    assert len(history(db, user)[0][1]) == 100


def test_many_at_once_with_their_own_arguments(db, equipemed):
    good, bad = (
        [person(db, access_expires_at=at(5)) for _ in range(200)],
        person(db, account_status="departed"),
    )
    rows = equipemed.run("extend", good + [bad], TODAY, arguments={"days": 10, **WHY})
    assert (
        sum(r["outcome"] == "applied" for r in rows.values()) == 200
        and rows[bad]["outcome"] == "skipped"
    )


def test_the_lookup_finds_a_person(db, equipemed):
    user = person(
        db,
        username="ana.souza",
        first_name="Ana",
        last_name="Souza",
        access_expires_at=at(5, 23, 30),
    )
    (row,) = equipemed.lookup("extend", "ana.souza", TODAY)
    assert next(iter(row)) == "subject" and row["subject"] == user
    assert (
        row["full_name"] == "Ana Souza"
        and row["current_expiration"] == f"{at(5):%d/%m/%Y} 23:30"
        and row["current_status"] == "active"
    )
    assert equipemed.lookup("extend", f"#{user}", TODAY)[0]["subject"] == user
    assert equipemed.lookup("extend", "ana", TODAY) == []


def test_update_status(db, equipemed):
    user = person(db)

    def run(**a):
        return equipemed.run(
            "update-status", [user], TODAY, arguments={"to_status": "departed", **WHY, **a}
        )[user]

    assert run(from_status="expired")["reason"] == "status is active, not expired"
    assert run(by="x")["outcome"] == "failed"
    row = run(from_status="active")
    assert (row["outcome"], row["before"], row["after"]) == (
        "applied",
        "active",
        "departed",
    ) and status(db, user) == "departed"
    assert run()["outcome"] == "skipped" and len(history(db, user)) == 1


def test_set_expiration(db, equipemed):
    resident, student, nurse = (person(db, profession_type=p) for p in (1, 4, 2))
    gone = person(db, is_active=False)
    rows = equipemed.run(
        "set-expiration",
        [resident, student, nurse, gone],
        TODAY,
        arguments={"months": 6, "reason": "fim do contrato"},
    )
    assert set(rows) == {resident, student, nurse} and {r["outcome"] for r in rows.values()} == {
        "applied"
    }
    assert {column(db, u, "access_expires_at") for u in rows} == {TODAY + timedelta(days=180)}
    assert [column(db, u, "expiration_reason") for u in (resident, student, nurse)] == [
        "end_of_internship",
        "end_of_rotation",
        "fim do contrato",
    ]


def test_emergency_restore(db, equipemed):
    admin = person(db, username="plantao", is_staff=True)
    person(db, username="colega")
    user = person(db, account_status="suspended", is_active=False, access_expires_at=at(-50))

    def run(u=user, **a):
        return equipemed.run(
            "emergency-restore", [u], TODAY, arguments={"by": "plantao", **WHY, **a}
        )[u]

    assert run(by="colega")["outcome"] == "failed" and run(by="ninguem")["outcome"] == "failed"
    row = run(hours=12)
    assert (
        row["outcome"] == "applied"
        and row["before"].endswith(", disabled")
        and status(db, user) == "active"
    )
    assert column(db, user, "is_active") and column(
        db, user, "access_expires_at"
    ) == TODAY + timedelta(hours=12)
    assert db.execute(
        "select user_id, until, granted_by, previous_status, previous_is_active from"
        " rollcall_equipemed.emergency_access"
    ).fetchall() == [(user, TODAY + timedelta(hours=12), admin, "suspended", False)]
    assert (
        history(db, user)[0][1].startswith("Emergency access for 12 h: ")
        and history(db, user)[0][2] == admin
    )
    assert run()["reason"] == "user is not locked out"
    assert run(admin)["reason"] == "nobody restores their own access"
    notice = equipemed.send("emergency-notice", [user], TODAY)[user]
    assert (
        notice["outcome"] == "send"
        and notice["to_address"] == "admin@equipemed.example"
        and notice["granted_by"] == "plantao"
    )
    later = TODAY + timedelta(days=2)  # time-boxed: what was before comes back
    assert equipemed.run("check-expiration", [user], later) == {}
    assert equipemed.run("end-emergency-access", [user], later)[user]["outcome"] == "applied"
    assert (
        status(db, user),
        column(db, user, "is_active"),
        column(db, user, "access_expires_at"),
    ) == ("suspended", False, at(-50))


def test_emergency_access_is_boxed_in_time(db, equipemed):
    person(db, username="plantao", is_staff=True)

    def restore(u, now=TODAY, **a):
        return equipemed.run(
            "emergency-restore", [u], now, arguments={"by": "plantao", **WHY, **a}
        )[u]

    away = person(
        db, account_status="suspended", last_meaningful_activity=at(-200), access_expires_at=at(300)
    )
    changed = person(db, account_status="suspended", access_expires_at=at(300))
    twice = person(db, account_status="inactive", access_expires_at=at(-1), is_active=False)
    for u in (away, changed, twice):
        assert restore(u, hours=24)["outcome"] == "applied"
        assert column(db, u, "access_expires_at") == TODAY + timedelta(
            hours=24
        )  # whatever lies later
    soon = TODAY + timedelta(hours=12)
    for job in ("mark-inactive", "auto-suspend", "check-expiration"):  # no clean-up undoes it
        assert (
            away not in [u for u, _ in equipemed.due(job, soon)]
            and equipemed.run(job, [away], soon) == {}
        )
    assert equipemed.due("end-emergency-access", soon) == []
    over = TODAY + timedelta(hours=25)
    assert restore(twice, over, hours=24)["outcome"] == "applied"  # takes over from the first
    equipemed.run(
        "set-expiration", [changed], over, arguments={"months": 6, "reason": "volta"}
    )  # somebody decides
    assert sorted(u for u, _ in equipemed.due("end-emergency-access", over)) == [away, changed]
    rows = equipemed.run("end-emergency-access", [away, changed, twice], over)
    assert (
        rows[away]["outcome"] == "applied"
        and rows[changed]["reason"] == "changed meanwhile: left as it is"
        and twice not in rows
    )
    assert (status(db, away), column(db, away, "access_expires_at")) == ("suspended", at(300))
    assert status(db, changed) == "active" and column(db, changed, "access_expires_at") > at(100)
    last = TODAY + timedelta(hours=50)
    assert equipemed.run("end-emergency-access", [twice], last)[twice]["outcome"] == "applied"
    assert (
        status(db, twice),
        column(db, twice, "is_active"),
        column(db, twice, "access_expires_at"),
    ) == ("inactive", False, at(-1))
    assert equipemed.due("end-emergency-access", last) == []


@pytest.mark.parametrize("when", ["infinity", "-infinity", "290000-01-01", "0001-01-01"])
def test_an_expiry_out_of_all_calendars_stops_nobody(db, equipemed, when):
    odd = person(db, account_status="active")
    db.execute(
        "update equipemed.accounts_eqmdcustomuser set access_expires_at = %s::timestamptz,"
        " last_meaningful_activity = %s::timestamptz where id = %s",
        [when, when, odd],
    )
    due = person(db, account_status="active", access_expires_at=at(-1))
    for job in (
        "check-expiration",
        "mark-inactive",
        "auto-suspend",
        "warn-expiration",
        "end-emergency-access",
    ):
        equipemed.due(job, TODAY)
    assert due in [u for u, _ in equipemed.due("check-expiration", TODAY)]
    rows = equipemed.run("check-expiration", [odd, due], TODAY)
    assert rows[due]["after"] == "expired" and (odd in rows) == (
        when in ("-infinity", "0001-01-01")
    )
    for name in (
        "lifecycle",
        "inactive-users",
        "activity-analytics",
        "status",
        "expiration-summary",
    ):
        equipemed.report(name, TODAY)


def request(db, user, **columns):
    row = {"user_id": user, "created_at": TODAY - timedelta(days=2), **columns}
    return db.execute(
        f"insert into equipemed.core_accountrenewalrequest ({', '.join(row)}) values"
        f" ({', '.join(['%s'] * len(row))}) returning id",
        list(row.values()),
    ).fetchone()[0]


def test_process_renewal_requests(db, equipemed):
    admin = person(db, username="chefe")
    user, other, none = (
        person(db, access_expires_at=at(-10), account_status="expired"),
        person(db, access_expires_at=at(5)),
        person(db),
    )
    first, second, third = (
        request(db, user),
        request(db, user, created_at=TODAY),
        request(db, other),
    )

    def run(u, d, **a):
        return equipemed.run(
            "process-renewal-requests", [u], TODAY, arguments={"decision": d, "by": "chefe", **a}
        ).get(u[0] if isinstance(u, tuple) else u)

    assert run(none, "approve") is None
    assert run(user, "approve", by="ninguem")["outcome"] == "failed"
    row = run(user, "approve")
    assert (row["outcome"], row["reason"]) == ("applied", "approved") and status(
        db, user
    ) == "active"
    assert column(db, user, "access_expires_at") == TODAY + timedelta(days=90)
    row = run((other, str(third)), "deny", notes="sem vínculo")
    assert row["reason"] == "denied" and column(db, other, "access_expires_at") == at(5)
    states = db.execute(
        "select id, status, reviewed_by_id, review_notes from equipemed.core_accountrenewalrequest"
        " order by id"
    ).fetchall()
    assert states == [
        (first, "approved", admin, ""),
        (second, "pending", None, ""),
        (third, "denied", admin, "sem vínculo"),
    ]
    mails = equipemed.send("renewal-decision", [user, other], TODAY)
    assert (mails[user]["decision"], mails[user]["approved"]) == ("aprovado", True)
    assert (mails[other]["decision"], mails[other]["notes"]) == ("negado", "sem vínculo")


def test_old_renewal_requests(db, equipemed):
    user = person(db)
    old = TODAY - timedelta(days=731)
    kept = [
        request(db, user, status="pending", created_at=old),
        request(db, user, status="approved", created_at=TODAY - timedelta(days=729)),
    ]
    for s in ("approved", "denied", "denied"):
        request(db, user, status=s, created_at=old)
    dry = equipemed.run("delete-old-renewal-requests", ["run"], TODAY, dry_run=True)
    row = equipemed.run("delete-old-renewal-requests", ["run"], TODAY)["run"]
    assert dry["run"] == row and (row["outcome"], row["reason"]) == (
        "applied",
        "3 renewal requests deleted",
    )
    assert [
        r[0] for r in db.execute("select id from equipemed.core_accountrenewalrequest order by id")
    ] == kept


def test_past_warnings_are_forgotten(db, equipemed):
    user = person(db, access_expires_at=at(7))
    equipemed.send("warn-expiration", equipemed.due("warn-expiration", TODAY), TODAY)
    assert (
        equipemed.run("prune-warnings", ["run"], at(97))["run"]["reason"]
        == "0 past warnings deleted"
    )
    assert (
        equipemed.run("prune-warnings", ["run"], at(98))["run"]["reason"]
        == "1 past warnings deleted"
    )
    assert user


def test_the_jobs_have_the_checklists_schedules(equipemed):
    """The checklist's schedules."""
    assert {n: j.get("schedule") for n, j in equipemed.jobs.items()} == {
        "check-expiration": "0 6 * * *",
        "send-expiration-warnings": "0 8 * * *",
        "inactive-users-report": "0 7 * * 0",
        "lifecycle-report": "30 7 * * 0",
        "lifecycle-report-monthly": "0 7 1 * *",
        "cleanup-inactive": "0 2 * * 0",
        "monthly-maintenance": "0 2 1 * *",
        "health-check": "0 */4 * * *",
        "update-user-statuses": None,
    }
    for name, job in equipemed.jobs.items():
        assert job["time_limit"] == "3600s" and job["on_failure"] == ["failure-alert"], name
        for task in job["tasks"]:
            spec = equipemed.types[task["type"] if isinstance(task, dict) else task]
            assert "due" in spec or spec.get("scope") == "run", name
    assert equipemed.jobs["check-expiration"]["min_interval"] == "23h"
    assert equipemed.jobs["monthly-maintenance"]["tasks"][-1] == {
        "type": "check-expiration",
        "dry_run": True,
    }
    assert equipemed.jobs["health-check"]["settings"] == {"role": "resident"}
    assert equipemed.cfg["time_zone"] == "America/Sao_Paulo"


def test_the_packs_files_are_all_used(equipemed):
    text = (equipemed.folder / "pack.cfg").read_text()
    for path in equipemed.folder.glob("*/*"):
        assert str(path.relative_to(equipemed.folder)) in text, path

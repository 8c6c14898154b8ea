# SPDX-License-Identifier: Apache-2.0
"""check-expiration, mark-inactive, auto-suspend: the checklist's rows, by PostgreSQL alone."""

from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
from people import SAO_PAULO, TODAY, at, history, person, snapshot, status

STATUSES = [
    "active",
    "expiring_soon",
    "expired",
    "inactive",
    "suspended",
    "departed",
    "renewal_required",
]
DAYS = [-400, -1, 0, 1, 29, 30, 31, 400]


def ruling(old, days):
    """Ruling 3, as rewritten."""
    if days < 0:
        return "expired" if old in ("active", "expiring_soon", "inactive") else old
    if old == "expired":
        return "expiring_soon" if days <= 30 else "active"
    if days <= 30 and old == "active":
        return "expiring_soon"
    if days > 30 and old == "expiring_soon":
        return "active"
    return old


def literal(old, days):
    """Seed 002's _calculate_new_status."""
    if days < 0:
        return "expired"
    if days <= 30 and old == "active":
        return "expiring_soon"
    if days > 30 and old == "expiring_soon":
        return "active"
    return old


@pytest.mark.parametrize("rule", [ruling, literal])
def test_every_status_and_day(db, equipemed, rule):
    people = {
        person(db, account_status=s, access_expires_at=at(d)): (s, d)
        for s in STATUSES
        for d in DAYS
    }
    settings = {"status_rule": rule.__name__}
    want = {u: (old, rule(old, d)) for u, (old, d) in people.items() if rule(old, d) != old}
    assert equipemed.due("check-expiration", TODAY, settings=settings) == sorted(
        (u, "") for u in want
    )
    rows = equipemed.run("check-expiration", list(people), TODAY, settings=settings)
    assert {u: (r["before"], r["after"]) for u, r in rows.items()} == want
    for u, r in rows.items():
        assert (
            r["outcome"] == "applied"
            and r["reason"] == f"Auto-updated by expiration checker: {r['before']} -> {r['after']}"
        )
        assert history(db, u) == [
            (
                "~",
                r["reason"],
                None,
                *db.execute(
                    "select username, account_status, access_expires_at from"
                    " equipemed.accounts_eqmdcustomuser where id = %s",
                    [u],
                ).fetchone(),
            )
        ]
    for u, (old, d) in people.items():
        assert status(db, u) == rule(old, d)
        assert u in want or history(db, u) == []
    assert equipemed.due("check-expiration", TODAY, settings=settings) == []
    assert equipemed.run("check-expiration", list(people), TODAY, settings=settings) == {}


@pytest.mark.parametrize("hour, minute", [(0, 0), (0, 30), (23, 30), (23, 59)])
def test_days_are_the_zones_days(db, equipemed, hour, minute):
    """23:30 in São Paulo is tomorrow in UTC; the day counts there, whenever the run is."""
    yesterday, today, thirty, thirty_one = (
        person(db, access_expires_at=at(d, hour, minute)) for d in (-1, 0, 30, 31)
    )
    for now in (at(0, 0, 0), TODAY, at(0, 23, 59)):
        rows = equipemed.run(
            "check-expiration", [yesterday, today, thirty, thirty_one], now, dry_run=True
        )
        assert {u: r["after"] for u, r in rows.items()} == {
            yesterday: "expired",
            today: "expiring_soon",
            thirty: "expiring_soon",
        }
        assert [u for u, _ in equipemed.due("check-expiration", now)] == [yesterday, today, thirty]


def test_a_zone_with_daylight_saving_days(db, equipemed):
    """2018-11-04 began at 01:00 in São Paulo: midnight did not exist."""
    now = datetime(2018, 11, 4, 6, 0, tzinfo=SAO_PAULO)
    before = person(db, access_expires_at=datetime(2018, 11, 3, 23, 59, tzinfo=SAO_PAULO))
    first = person(db, access_expires_at=datetime(2018, 11, 4, 3, 0, tzinfo=UTC))
    assert {
        u: r["after"] for u, r in equipemed.run("check-expiration", [before, first], now).items()
    } == {before: "expired", first: "expiring_soon"}


def test_scope_and_roles(db, equipemed):
    gone = person(db, access_expires_at=at(-1), is_active=False)
    never = person(db, access_expires_at=None)
    by_role = {
        role: person(db, access_expires_at=at(-1), profession_type=p)
        for role, p in [("resident", 1), ("student", 4), ("doctor", 0), ("none", None)]
    }
    everybody = [gone, never, *by_role.values()]
    assert sorted(equipemed.run("check-expiration", everybody, TODAY, dry_run=True)) == sorted(
        by_role.values()
    )
    for role in ("resident", "student"):
        assert list(
            equipemed.run(
                "check-expiration", everybody, TODAY, settings={"role": role}, dry_run=True
            )
        ) == [by_role[role]]
        assert equipemed.due("check-expiration", TODAY, settings={"role": role}) == [
            (by_role[role], "")
        ]


def test_a_dry_run_leaves_no_trace(db, equipemed):
    people = [
        person(db, access_expires_at=at(d), last_meaningful_activity=at(-200)) for d in (-1, 5, 50)
    ]
    before = snapshot(db)
    assert len(equipemed.run("check-expiration", people, TODAY, dry_run=True)) == 2
    assert len(equipemed.run("mark-inactive", people, TODAY, dry_run=True)) == 3
    equipemed.run(
        "warn-expiration",
        [(p, i) for p, i in equipemed.due("warn-expiration", TODAY)],
        TODAY,
        dry_run=True,
    )
    assert snapshot(db) == before


def test_a_failing_row_fails_alone(db, equipemed):
    """The engine halves a failing batch; here: with the bad row it raises and changes nothing,
    without it all others are done.
    """
    good, bad = (
        [person(db, access_expires_at=at(-1)) for _ in range(5)],
        person(db, access_expires_at=at(-1), username="bloqueado.1"),
    )
    db.execute(
        """create function equipemed.refuse() returns trigger language plpgsql as $$
            begin raise exception 'registro bloqueado'; end $$;
                  create trigger refuse before update of account_status
                  on equipemed.accounts_eqmdcustomuser for each row
                  when (old.username like 'bloqueado.%') execute function equipemed.refuse()"""
    )
    with pytest.raises(psycopg.errors.RaiseException, match="registro bloqueado"):
        equipemed.run("check-expiration", good + [bad], TODAY)
    assert {status(db, u) for u in good} == {"active"}
    assert len(equipemed.run("check-expiration", good, TODAY)) == 5 and status(db, bad) == "active"


def test_the_condition_is_read_again_under_the_lock(db, equipemed, server):
    """Somebody extends a user between the selection and the statement, and even while it waits
    for the row.
    """
    import threading

    from composer import Pack

    user = person(db, access_expires_at=at(-1))
    assert equipemed.due("check-expiration", TODAY) == [(user, "")]
    with server.connect("pack_test") as other, server.connect("pack_test") as third:
        got = {}
        with other.transaction():
            other.execute(
                "update equipemed.accounts_eqmdcustomuser set access_expires_at = %s where id = %s",
                [at(100), user],
            )
            waiting = threading.Thread(
                target=lambda: got.update(
                    rows=Pack("equipemed", third).run("check-expiration", [user], TODAY)
                )
            )
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()
        waiting.join(10)
        assert got["rows"] == {} and status(db, user) == "active" and history(db, user) == []


@pytest.mark.parametrize(
    "profession, marked", [(0, False), (1, True), (2, False), (3, True), (4, True), (None, True)]
)
def test_doctors_and_nurses_are_never_marked_inactive(db, equipemed, profession, marked):
    user = person(
        db, profession_type=profession, last_meaningful_activity=TODAY - timedelta(days=91)
    )
    assert equipemed.due("mark-inactive", TODAY) == ([(user, "")] if marked else [])
    rows = equipemed.run("mark-inactive", [user], TODAY)
    assert (user in rows) == marked and status(db, user) == ("inactive" if marked else "active")
    if marked:
        reason = "Auto-marked inactive: no activity for 90 days"
        assert (
            rows[user]["outcome"],
            rows[user]["reason"],
            rows[user]["before"],
            rows[user]["after"],
        ) == ("applied", reason, "active", "inactive")
        assert history(db, user)[0][:2] == ("~", reason)


def test_ninety_and_hundred_and_eighty_days(db, equipemed):
    def made(days, **more):
        return person(db, last_meaningful_activity=TODAY - timedelta(days=days), **more)

    just, over = (
        made(90),
        person(db, last_meaningful_activity=TODAY - timedelta(days=90, seconds=1)),
    )
    others = [made(200, account_status=s) for s in STATUSES if s not in ("active", "inactive")] + [
        made(200, is_active=False)
    ]
    assert equipemed.due("mark-inactive", TODAY) == [(over, "")]
    assert list(equipemed.run("mark-inactive", [just, over, *others], TODAY)) == [over]
    assert equipemed.due("mark-inactive", TODAY, settings={"inactivity_days": 60}) == [(just, "")]

    s_just, s_over = (
        made(180, account_status="inactive"),
        made(181, account_status="inactive", profession_type=0),
    )
    staff, gone = (
        made(400, account_status="inactive", is_staff=True),
        made(400, account_status="inactive", is_active=False),
    )
    active = made(400, profession_type=2)
    assert equipemed.due("auto-suspend", TODAY) == [(s_over, "")]
    rows = equipemed.run("auto-suspend", [s_just, s_over, staff, gone, active, *others], TODAY)
    assert {u: (r["reason"], r["before"], r["after"]) for u, r in rows.items()} == {
        s_over: ("Auto-suspended: no activity for 180 days", "inactive", "suspended")
    }
    assert (
        status(db, s_over) == "suspended"
        and status(db, staff) == "inactive"
        and history(db, s_over)[0][0] == "~"
    )


@pytest.mark.parametrize(
    "row, due",
    [
        ({}, True),
        ({"profession_type": None}, True),
        ({"profession_type": 0}, False),
        ({"profession_type": 2}, False),
        ({"is_staff": True}, False),
        ({"is_active": False}, False),
        ({"account_status": "expiring_soon"}, False),
        ({"account_status": "departed"}, False),
        ({"account_status": "inactive", "profession_type": 0}, True),
    ],
)
def test_away_long_enough_for_both_is_marked_and_suspended_in_one_run(db, equipemed, row, due):
    user = person(
        db,
        **{
            "last_meaningful_activity": TODAY - timedelta(days=181),
            "account_status": "active",
            "profession_type": 1,
            **row,
        },
    )
    before = status(db, user)
    assert equipemed.jobs["cleanup-inactive"]["tasks"] == ["mark-inactive", "auto-suspend"]
    assert equipemed.due("auto-suspend", TODAY) == ([(user, "")] if due else [])
    dry = equipemed.run("auto-suspend", [user], TODAY)
    assert [(r["before"], r["after"]) for r in dry.values()] == (
        [(before, "suspended")] if due else []
    )
    assert status(db, user) == ("suspended" if due else before)


def test_never_active_counts_from_the_accounts_creation(db, equipemed):
    old = person(db, last_meaningful_activity=None, date_joined=TODAY - timedelta(days=100))
    new = person(db, last_meaningful_activity=None, date_joined=TODAY - timedelta(days=80))
    assert equipemed.due("mark-inactive", TODAY) == [(old, "")]
    assert list(equipemed.run("mark-inactive", [old, new], TODAY)) == [old]
    assert equipemed.due("auto-suspend", TODAY) == []
    assert equipemed.due("auto-suspend", TODAY + timedelta(days=81)) == [(old, "")]


def test_the_inactivity_notice(db, equipemed):
    told, back = (person(db, account_status=s) for s in ("inactive", "active"))
    none, bad = (person(db, account_status="inactive", email=e) for e in ("", "maria@@example.com"))
    assert equipemed.types["mark-inactive"]["follow_ups"] == ["inactive-notice"]
    rows = equipemed.send("inactive-notice", [told, back, none, bad], TODAY)
    assert {u: (r["outcome"], r["reason"]) for u, r in rows.items()} == {
        told: ("send", "marked inactive"),
        back: ("skipped", "no longer inactive"),
        none: ("failed", "no mail address"),
        bad: ("failed", "invalid mail address"),
    }
    assert (
        rows[told]["login_url"].endswith("/account/login/") and rows[told]["inactivity_days"] == 90
    )


def test_update_user_statuses_is_the_same_rule(db, equipemed):
    user = person(db, access_expires_at=at(-1))
    assert equipemed.due("update-user-statuses", TODAY) == [(user, "")]
    assert equipemed.run("update-user-statuses", [user], TODAY)[user]["after"] == "expired"
    assert (
        "schedule" not in equipemed.jobs["update-user-statuses"]
        and "min_interval" not in equipemed.jobs["update-user-statuses"]
    )

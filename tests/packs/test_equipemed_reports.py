# SPDX-License-Identifier: Apache-2.0
"""The reports' documents: names, figures, limits."""

import uuid
from datetime import timedelta

from people import TODAY, at, person
from test_equipemed_commands import request

DETAIL = [
    "username",
    "full_name",
    "profession",
    "expiration_date",
    "days_until_expiration",
    "status",
]


def test_the_lifecycle_report_counts_each_state(db, equipemed):
    for n in (-5, -1, 3, 20, 60, 89, 120, 200):
        person(
            db,
            access_expires_at=at(n),
            profession_type=4 if n == 3 else 1,
            account_status="expired" if n < 0 else "active",
        )
    person(db, profession_type=None, last_meaningful_activity=None)
    person(db, is_active=False, access_expires_at=at(-9))
    user = person(
        db,
        last_meaningful_activity=at(-200),
        account_status="inactive",
        first_name="",
        last_name="",
    )
    for s, created in (("pending", 40), ("approved", 10), ("denied", 10), ("approved", 400)):
        request(
            db,
            user,
            status=s,
            created_at=at(-created),
            reviewed_at=None if s == "pending" else at(-created) + timedelta(hours=6),
        )
    doc = equipemed.report("lifecycle", TODAY)
    assert list(doc) == [
        "generated_at",
        "report_period",
        "summary",
        "expiration_analysis",
        "activity_analysis",
        "renewal_requests",
    ]
    assert doc["generated_at"] == "2026-03-10T06:00:00-03:00"
    assert doc["report_period"] == {
        "start_date": "2026-03-10",
        "end_date": "2026-06-08",
        "days_ahead": 90,
    }
    assert doc["summary"] == {
        "total_active_users": 10,
        "status_breakdown": {"active": 7, "expired": 2, "inactive": 1},
        "role_breakdown": {"1": 8, "4": 1, "None": 1},
    }
    expirations = doc["expiration_analysis"]
    assert expirations["expired_users"] == 2 and expirations["expiring_breakdown"] == {
        "next_7_days": 1,
        "next_30_days": 2,
        "next_90_days": 4,
    }
    assert (
        expirations["total_expiring_in_period"] == 4
        and len(expirations["expiring_users_detail"]) == 4
    )
    first = expirations["expiring_users_detail"][0]
    assert (
        list(first) == DETAIL
        and first["profession"] == "Estudante"
        and first["days_until_expiration"] == 3
        and first["expiration_date"] == "2026-03-13"
    )
    assert doc["activity_analysis"] == {
        "active_last_7_days": 8,
        "active_last_30_days": 8,
        "active_last_90_days": 8,
        "inactive_over_90_days": 1,
        "inactive_over_180_days": 1,
        "never_active": 1,
    }
    assert doc["renewal_requests"] == {
        "total": 4,
        "pending": 1,
        "approved": 2,
        "denied": 1,
        "created_last_30_days": 2,
        "approval_rate_percent": 66.7,
        "average_review_hours": 6.0,
        "oldest_pending": "2026-01-29",
    }
    wide = equipemed.report("lifecycle", TODAY, days_ahead=365)
    assert (
        wide["expiration_analysis"]["total_expiring_in_period"] == 6
        and wide["report_period"]["days_ahead"] == 365
    )


def test_lifecycle_of_nobody_and_of_many(db, equipemed):
    doc = equipemed.report("lifecycle", TODAY)
    assert doc["summary"] == {"total_active_users": 0, "status_breakdown": {}, "role_breakdown": {}}
    assert (
        doc["expiration_analysis"]["expiring_users_detail"] == []
        and doc["renewal_requests"]["approval_rate_percent"] is None
    )
    for n in range(60):
        person(db, access_expires_at=at(70 - n))
    detail = equipemed.report("lifecycle", TODAY)["expiration_analysis"]["expiring_users_detail"]
    assert [d["days_until_expiration"] for d in detail] == list(range(11, 61))


def test_the_report_of_inactive_users_lists_them(db, equipemed):
    person(db, last_meaningful_activity=at(-10))
    away = {
        "a": person(db, last_meaningful_activity=at(-100)),
        "b": person(db, last_meaningful_activity=at(-100), profession_type=0),
        "c": person(db, last_meaningful_activity=at(-300), account_status="inactive"),
        "d": person(
            db, last_meaningful_activity=at(-400), account_status="inactive", is_staff=True
        ),
        "e": person(db, last_meaningful_activity=None),
    }
    rows = equipemed.report("inactive-users", TODAY)
    assert [(r["days_inactive"], r["next_action"], r["never_active"]) for r in rows] == [
        (400, "mark inactive", True),
        (400, "none (staff)", False),
        (300, "suspend", False),
        (100, "mark inactive", False),
        (100, "none (profession)", False),
    ]
    assert (
        len(rows) == len(away) and len(equipemed.report("inactive-users", TODAY, max_rows=2)) == 2
    )


def test_the_activity_report_counts_by_age_of_the_last_activity(db, equipemed):
    for n in (1, 10, 50, 100, 200):
        person(db, last_meaningful_activity=at(-n), profession_type=2)
    person(db, last_meaningful_activity=None)
    doc = equipemed.report("activity-analytics", TODAY)
    assert doc["total_active_users"] == 6 and doc["never_active"] == 1
    assert [b["users"] for b in doc["since_last_activity"]] == [1, 1, 1, 1, 2]
    assert [
        (p["profession"], p["users"], p["active_last_30_days"], p["away_90_days"])
        for p in doc["by_profession"]
    ] == [("Residente", 1, 0, 1), ("Enfermeiro", 5, 2, 2)]


def record_run(db, job, rows, now=TODAY, dry_run=False):
    """A run and its outcomes as the engine leaves them; rows: (type, subject, item, outcome,
    reason, before, after).
    """
    run = uuid.uuid4()
    number = db.execute(
        """insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,
            dry_run, state)
                           values (%s, 'equipemed', %s, %s, %s, 'schedule', 'scheduler', %s,
                               'succeeded') returning run_no""",
        [run, job, now, now.date(), dry_run],
    ).fetchone()[0]
    db.execute("select rollcall.ensure_day(%s)", [now.date()])
    for type_name, subject, item, outcome, reason, before, after in rows:
        type_no = db.execute(
            """insert into rollcall.task_type (name) values (%s)
                                on conflict (name) do update set name = excluded.name
                                    returning type_no""",
            [type_name],
        ).fetchone()[0]
        db.execute(
            """insert into rollcall.outcome (run_no, src_offset, day, source_no, type_no, outcome,
                subject, item, reason, before, after)
                      values (%s, 0, %s, 1, %s, %s, %s, %s, %s, %s, %s)""",
            [number, now.date(), type_no, outcome, str(subject), item, reason, before, after],
        )
    return run


def test_expiration_summary(db, equipemed):
    gone, soon, back, bad = (
        person(db, access_expires_at=at(n), account_status=s)
        for n, s in ((-3, "active"), (12, "active"), (50, "expiring_soon"), (-2, "active"))
    )
    rows = equipemed.run("check-expiration", [gone, soon, back], TODAY)
    run = record_run(
        db,
        "check-expiration",
        [
            ("equipemed.check-expiration", u, "", 0, r["reason"], r["before"], r["after"])
            for u, r in rows.items()
        ]
        + [("equipemed.check-expiration", bad, "", 2, "registro bloqueado", None, None)],
    )
    equipemed.run(
        "extend", [gone], TODAY, arguments={"days": 300, "reason": "x"}
    )  # later: the summary still tells the date of then
    for given in ({"run": run}, {}):
        doc = equipemed.report("expiration-summary", TODAY, **given)
        assert doc["run_id"] == str(run)
        assert doc["summary"] == {
            "changed": 3,
            "newly_expired": 1,
            "expiring_soon": 1,
            "other_changes": 1,
            "skipped": 0,
            "errors": 1,
        }
        assert [(r["profession"], r["expired"]) for r in doc["newly_expired"]] == [
            ("Residente", "07/03/2026")
        ]
        assert [r["days_left"] for r in doc["expiring_soon"]] == [12]
        assert [(r["from"], r["to"]) for r in doc["status_updates"]] == [
            ("expiring_soon", "active")
        ]
        assert [r["error"] for r in doc["errors"]] == ["registro bloqueado"]
    assert (
        len(equipemed.report("expiration-summary", TODAY, run=run, max_rows=1)["newly_expired"])
        == 1
    )


def test_warning_summary(db, equipemed):
    users = [person(db) for _ in range(4)]
    record_run(
        db,
        "send-expiration-warnings",
        [
            ("equipemed.warn-expiration", users[0], "2026-03-17/7", 0, "7 days", None, None),
            ("equipemed.warn-expiration", users[1], "2026-03-17/7", 0, "7 days", None, None),
            ("equipemed.warn-expiration", users[2], "2026-04-09/30", 0, "30 days", None, None),
            ("equipemed.warn-supervisor", users[2], "2026-04-09/30", 0, "30 days", None, None),
            (
                "equipemed.warn-expiration",
                users[3],
                "2026-04-09/30",
                2,
                "no mail address",
                None,
                None,
            ),
        ],
    )
    doc = equipemed.report("warning-summary", TODAY)
    assert doc["summary"] == {"users_warned": 3, "supervisors_told": 1, "skipped": 0, "errors": 1}
    assert doc["by_threshold"] == [{"days": 30, "warned": 1}, {"days": 7, "warned": 2}]
    assert [e["error"] for e in doc["errors"]] == ["no mail address"]


def test_summaries_without_a_run(db, equipemed):
    assert equipemed.report("expiration-summary", TODAY)["run_id"] is None
    assert equipemed.report("warning-summary", TODAY)["by_threshold"] == []


def test_status_counts_what_is_due(db, equipemed):
    for n in (-1, 5, 40):
        person(db, access_expires_at=at(n), last_meaningful_activity=at(-100))
    person(db, account_status="inactive", last_meaningful_activity=at(-200), email="")
    doc = equipemed.report("status", TODAY)
    due = {k: len(equipemed.due(k.replace("_", "-"), TODAY)) for k in doc["due_now"]}
    assert (
        doc["due_now"]
        == due
        == {
            "check_expiration": 2,
            "warn_expiration": 1,
            "mark_inactive": 3,
            "auto_suspend": 1,
        }
    )


def test_failure_alert(db, equipemed):
    run = record_run(db, "check-expiration", [])
    db.execute(
        "update rollcall.run set state = 'failed', reason = 'time limit' where run_id = %s", [run]
    )
    row = equipemed.run("failure-alert", [str(run)], TODAY)[str(run)]
    assert (
        row["outcome"] == "send"
        and row["to_address"] == "admin@equipemed.example"
        and (row["job"], row["why"]) == ("check-expiration", "time limit")
    )

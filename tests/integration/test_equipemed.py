# SPDX-License-Identifier: Apache-2.0
"""The hospital's whole lifecycle on real parts: every scheduled job and task type of the pack,
from the request of a run to people's rows, mails and files.
"""

import csv
import io
import itertools
import json
import os
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from harness.paths import REPO
from harness.postgres import USER, Database
from harness.system import System, body, demo_tables

ZONE = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 3, 10, 6, 0, tzinfo=ZONE)
serial = itertools.count(1)
instants = itertools.count(1)  # each run of a job needs an instant of its own


@pytest.fixture(scope="module")
def hospital(postgres, kafka, tmp_path_factory):
    database = Database(postgres, f"equipemed_{os.getpid()}")
    system = System(
        tmp_path_factory.mktemp("equipemed"),
        database,
        kafka,
        f"eq{os.getpid()}",
        {REPO / "config/packs/equipemed": RESTING},
        tables=[demo_tables("equipemed")],
    )
    with system.config.open("a") as config:
        config.write(f'security = {{ act_for_others = [ "{USER}" ]; }};\n')
    system.cli("db", "apply")
    yield system
    system.close()
    database.close()


JOBS = [
    "check-expiration",
    "send-expiration-warnings",
    "inactive-users-report",
    "lifecycle-report",
    "lifecycle-report-monthly",
    "cleanup-inactive",
    "monthly-maintenance",
    "health-check",
]
RESTING = "jobs = ( " + ", ".join(f'{{ name = "{j}"; suspend = true; }}' for j in JOBS) + " );"


def at(days, hour=12):
    return (NOW + timedelta(days=days)).replace(hour=hour)


def person(system, **columns):
    n = next(serial)
    row = {
        "username": f"pessoa{n}",
        "email": f"pessoa{n}@example.com",
        "first_name": "Ana",
        "last_name": f"Conceição {n}",
        "profession_type": 1,
        "date_joined": NOW - timedelta(days=400),
        "last_meaningful_activity": NOW - timedelta(days=1),
        **columns,
    }
    names = ", ".join(row)
    return system.database.value(
        f"insert into equipemed.accounts_eqmdcustomuser ({names}) values"
        f" ({', '.join(['%s'] * len(row))}) returning id",
        list(row.values()),
    )


def column(system, user, name):
    return system.database.value(
        f"select {name} from equipemed.accounts_eqmdcustomuser where id = %s", [user]
    )


def status(system, user):
    return column(system, user, "account_status")


def reasons(system, user):
    return [
        r
        for (r,) in system.database.rows(
            "select history_change_reason from equipemed.accounts_historicaleqmdcustomuser where id"
            " = %s order by history_id",
            [user],
        )
    ]


def moment(days=0):
    return (NOW + timedelta(days=days, seconds=next(instants))).isoformat()


def run(system, job, *flags, days=0, ok=(0, 1)):
    return system.run(f"equipemed.{job}", "--at", moment(days), *flags, ok=ok)


def outcomes(system, shown, user):
    return system.database.rows(
        "select type, item, outcome, reason, before, after from rollcall.outcome_named where run_id"
        " = %s and subject = %s order by type, item",
        [shown["run_id"], str(user)],
    )


def test_check_expiration(hospital):
    people = {
        "expired": (person(hospital, access_expires_at=at(-1), account_status="active"), "expired"),
        "tonight": (
            person(hospital, access_expires_at=at(0, 23), account_status="expiring_soon"),
            "expiring_soon",
        ),
        "soon": (person(hospital, access_expires_at=at(30)), "expiring_soon"),
        "later": (person(hospital, access_expires_at=at(31)), "active"),
        "extended": (
            person(hospital, access_expires_at=at(90), account_status="expiring_soon"),
            "active",
        ),
        "back": (person(hospital, access_expires_at=at(90), account_status="expired"), "active"),
        "inactive": (
            person(hospital, access_expires_at=at(-3), account_status="inactive"),
            "expired",
        ),
        "suspended": (
            person(hospital, access_expires_at=at(-3), account_status="suspended"),
            "suspended",
        ),
        "departed": (
            person(hospital, access_expires_at=at(-3), account_status="departed"),
            "departed",
        ),
        "disabled": (person(hospital, access_expires_at=at(-3), is_active=False), "active"),
        "never": (person(hospital), "active"),
    }
    bad = person(hospital, username=f"bloqueado.{next(serial)}", access_expires_at=at(-2))
    hospital.database.execute(
        """create or replace function equipemed.locked() returns trigger language plpgsql as $$
        begin if new.username like 'bloqueado.%'
            then raise 'registro bloqueado'; end if; return new; end $$;
        create or replace trigger locked before update on equipemed.accounts_eqmdcustomuser
            for each row execute function equipemed.locked()"""
    )
    before = {k: status(hospital, u) for k, (u, _) in people.items()}

    dry = run(hospital, "check-expiration", "--dry-run", "--force")
    assert {
        k: status(hospital, u) for k, (u, _) in people.items()
    } == before  # a dry run leaves no trace
    assert reasons(hospital, people["expired"][0]) == []
    assert {c["subject"]: (c["before"], c["after"]) for c in dry["changes"]}[
        str(people["soon"][0])
    ] == ("active", "expiring_soon")

    shown = run(hospital, "check-expiration")  # a dry run did not count for the 23 hours
    assert {k: status(hospital, u) for k, (u, _) in people.items()} == {
        k: new for k, (_, new) in people.items()
    }
    assert status(hospital, bad) == "active"  # one user's error never stops the others
    assert outcomes(hospital, shown, bad) == [
        (
            "equipemed.check-expiration",
            "",
            "quarantined",
            "registro bloqueado (SQLSTATE P0001)",
            None,
            None,
        )
    ]
    assert (
        shown["state"] == "completed with errors" and shown["complete"] and shown["digest_matches"]
    )
    assert reasons(hospital, people["expired"][0]) == [
        "Auto-updated by expiration checker: active -> expired"
    ]
    assert outcomes(hospital, shown, people["never"][0]) == []

    refused = run(hospital, "check-expiration", ok=(7,))
    assert refused["state"] == "refused" and "--force" in refused["reason"]
    assert (
        run(hospital, "check-expiration", "--force")["planned"] == 1
    )  # only the failing one is still due

    summary = hospital.report("expiration-summary", "--run", shown["run_id"])
    text = json.dumps(summary)
    assert (
        hospital.database.value(
            "select username from equipemed.accounts_eqmdcustomuser where id = %s",
            [people["expired"][0]],
        )
        in text
    )
    assert "registro bloqueado" in text
    path = hospital.wait(
        "the dated summary file",
        lambda: list(hospital.reports.glob("expiration_check_20260310_06*.txt")),
    )
    assert "NEWLY EXPIRED" in path[0].read_text()
    alert = hospital.wait(
        "the failure mail",
        lambda: hospital.mails(To="admin@equipemed.example", Subject="check-expiration"),
    )
    assert "falha" in alert[0]["Subject"]
    hospital.database.execute("drop trigger locked on equipemed.accounts_eqmdcustomuser")


def test_a_setting_limits_a_run_to_one_role(hospital):
    resident = person(hospital, profession_type=1, access_expires_at=at(-1))
    student = person(hospital, profession_type=4, access_expires_at=at(-1))
    run(hospital, "check-expiration", "--force", "--set", "role=student")
    assert (status(hospital, resident), status(hospital, student)) == ("active", "expired")
    assert "resident" in hospital.cli(
        "jobs", "run", "equipemed.check-expiration", "--set", "role=nurse", ok=(2,)
    )
    run(hospital, "check-expiration", "--force", "--set", "role=resident")
    assert status(hospital, resident) == "expired"


def test_warnings_reach_the_person_and_the_supervisor(hospital):
    boss = person(hospital, first_name="Márcia", last_name="d'Ávila", email="chefe@example.com")
    lost_boss = person(hospital, email="not an address")
    soon = person(hospital, access_expires_at=at(7), supervisor_id=boss)
    other = person(hospital, access_expires_at=at(14), supervisor_id=lost_boss)
    missed = person(hospital, access_expires_at=at(5))  # 7 was missed: only the tightest is sent
    far = person(hospital, access_expires_at=at(31))
    no_mail = person(hospital, access_expires_at=at(3), email="")
    bad_mail = person(hospital, access_expires_at=at(3), email="x@y@z")
    gone = person(hospital, access_expires_at=at(3), account_status="suspended")

    dry = run(hospital, "send-expiration-warnings", "--dry-run")
    assert (
        hospital.mails(Subject="acesso expira") == []
        and column(hospital, soon, "expiration_warning_sent") is None
    )
    assert dry["dry_run"]

    shown = run(hospital, "send-expiration-warnings")
    (mail,) = hospital.mails(To=column(hospital, soon, "email"))
    assert mail["Subject"] == "EquipeMed: Seu acesso expira em 7 dias"
    assert (
        "17/03/2026" in body(mail)
        and "/account/renewal-required/" in body(mail)
        and "admin@equipemed.example" in body(mail)
    )
    assert "17/03/2026" in body(mail, "html") and "<" in body(mail, "html")
    assert (
        mail["Auto-Submitted"] == "auto-generated"
        and mail["Message-ID"].endswith("@equipemed.example>")
        and mail["List-Id"]
        and mail["Date"]
    )
    (copy,) = hospital.mails(To="chefe@")
    assert "Acesso de" in copy["Subject"] and "sob a sua supervisão" in body(copy)
    assert column(hospital, soon, "expiration_warning_sent") is not None
    assert len(hospital.mails(To=column(hospital, other, "email"))) == 1
    assert dict((o[0], o[2]) for o in outcomes(hospital, shown, other)) == {
        "equipemed.warn-expiration": "applied",
        "equipemed.warn-supervisor": "failed",
    }
    assert [o[1:3] for o in outcomes(hospital, shown, missed)] == [("2026-03-15/7", "applied")]
    assert outcomes(hospital, shown, far) == [] and outcomes(hospital, shown, gone) == []
    assert [o[2:4] for o in outcomes(hospital, shown, no_mail)] == [("failed", "no mail address")]
    assert [o[2] for o in outcomes(hospital, shown, bad_mail)] == ["failed"]
    assert {
        r["reason"]: r["count"]
        for r in shown["reasons"]
        if r["type"].endswith("warn-expiration") and r["outcome"] == "applied"
    }["7 days"] >= 2

    again = run(hospital, "send-expiration-warnings")
    assert (
        len(hospital.mails(To=column(hospital, soon, "email"))) == 1
        and outcomes(hospital, again, soon) == []
    )  # no repeat
    later = run(hospital, "send-expiration-warnings", days=4)  # the 3-day warning is another one
    assert [o[1:3] for o in outcomes(hospital, later, soon)][0] == ("2026-03-17/3", "applied")
    hospital.database.execute(
        "update equipemed.accounts_eqmdcustomuser set access_expires_at = access_expires_at +"
        " interval '90 days' where id = %s",
        [soon],
    )
    assert (
        outcomes(hospital, run(hospital, "send-expiration-warnings", days=6), soon) == []
    )  # extending cancels what was pending


def test_warnings_by_the_seed_s_own_rule(hospital):
    exact, near = (
        person(hospital, access_expires_at=at(7)),
        person(hospital, access_expires_at=at(6)),
    )
    fresh = person(
        hospital, access_expires_at=at(14), expiration_warning_sent=NOW - timedelta(days=3)
    )
    shown = run(hospital, "send-expiration-warnings", "--set", "dedupe=7d")
    assert [o[2] for o in outcomes(hospital, shown, exact)] == ["applied"]
    assert outcomes(hospital, shown, near) == [] and outcomes(hospital, shown, fresh) == []
    run(hospital, "send-expiration-warnings", "--set", "warning_days={6}")
    assert len(hospital.mails(To=column(hospital, near, "email"))) == 1


def test_inactive_accounts_are_marked_and_then_suspended(hospital):
    away, long_away = NOW - timedelta(days=91), NOW - timedelta(days=181)
    idle = person(hospital, last_meaningful_activity=away)
    doctor, nurse = (
        person(hospital, last_meaningful_activity=away, profession_type=0),
        person(hospital, last_meaningful_activity=away, profession_type=2),
    )
    never = person(hospital, last_meaningful_activity=None, date_joined=away)
    new = person(hospital, last_meaningful_activity=None, date_joined=NOW - timedelta(days=5))
    no_mail = person(hospital, last_meaningful_activity=away, email="")
    suspended = person(hospital, last_meaningful_activity=long_away, account_status="inactive")
    staff = person(
        hospital, last_meaningful_activity=long_away, account_status="inactive", is_staff=True
    )
    both = person(hospital, last_meaningful_activity=long_away)
    staff_active = person(hospital, last_meaningful_activity=long_away, is_staff=True)
    dry = {
        (c["subject"], c["type"]): (c["before"], c["after"])
        for c in run(hospital, "cleanup-inactive", "--dry-run")["changes"]
    }
    assert dry[str(both), "equipemed.auto-suspend"] == ("active", "suspended")
    shown = run(hospital, "cleanup-inactive")
    got = [
        status(hospital, u)
        for u in (idle, doctor, nurse, never, new, no_mail, suspended, staff, both, staff_active)
    ]
    assert got == [
        "inactive",
        "active",
        "active",
        "inactive",
        "active",
        "inactive",
        "suspended",
        "inactive",
        "suspended",
        "inactive",
    ]
    assert [(o[0], o[2], o[4], o[5]) for o in outcomes(hospital, shown, both)] == [
        ("equipemed.auto-suspend", "applied", "inactive", "suspended"),
        ("equipemed.inactive-notice", "applied", None, None),
        ("equipemed.mark-inactive", "applied", "active", "inactive"),
    ]
    assert "90 days" in reasons(hospital, idle)[-1]
    (mail,) = hospital.mails(To=column(hospital, idle, "email"))
    assert mail["Subject"] == "EquipeMed: Conta marcada como inativa"
    assert dict((o[0], o[2]) for o in outcomes(hospital, shown, no_mail)) == {
        "equipemed.mark-inactive": "applied",
        "equipemed.inactive-notice": "failed",
    }


def test_reports_are_printed_and_written_in_each_format(hospital):
    person(
        hospital, last_meaningful_activity=NOW - timedelta(days=100), first_name='Beatriz, a "Bia"'
    )
    run(hospital, "inactive-users-report")
    rows = list(
        csv.DictReader(
            io.StringIO(
                (hospital.reports / "inactive_users_20260310.csv").read_text(encoding="utf-8-sig")
            )
        )
    )
    assert any('Beatriz, a "Bia"' in "".join(r.values()) for r in rows)
    run(hospital, "lifecycle-report")
    assert (
        (hospital.reports / "lifecycle_report_20260310.csv")
        .read_text()
        .startswith("section,name,value")
    )
    run(hospital, "lifecycle-report-monthly")
    document = json.loads((hospital.reports / "lifecycle_202603.json").read_text())
    assert list(document) == [
        "generated_at",
        "report_period",
        "summary",
        "expiration_analysis",
        "activity_analysis",
        "renewal_requests",
    ]

    person(hospital, access_expires_at=datetime.now(UTC) + timedelta(days=5))
    document = hospital.report("lifecycle", "--days-ahead", 30)
    assert document["report_period"]["days_ahead"] == 30
    assert document["summary"]["total_active_users"] == hospital.database.value(
        "select count(*) from equipemed.accounts_eqmdcustomuser where is_active"
    )
    assert (
        sum(document["summary"]["status_breakdown"].values())
        == document["summary"]["total_active_users"]
    )
    assert document["expiration_analysis"]["expiring_breakdown"]["next_7_days"] >= 1
    assert document["expiration_analysis"]["expiring_users_detail"][0]["days_until_expiration"] <= 5
    target = hospital.folder / "out.csv"
    hospital.cli("report", "lifecycle", "--format", "csv", "--output-file", target)
    assert "total_active_users" in target.read_text()
    assert "USER LIFECYCLE REPORT" in hospital.cli("report", "lifecycle")


def test_health_check(hospital):
    resident = person(hospital, profession_type=1, access_expires_at=at(-1))
    student = person(hospital, profession_type=4, access_expires_at=at(-1))
    shown = run(hospital, "health-check")
    assert (
        outcomes(hospital, shown, resident)[0][2] == "applied"
        and outcomes(hospital, shown, student) == []
    )
    assert status(hospital, resident) == "active"
    hospital.database.execute(
        "alter table equipemed.accounts_historicaleqmdcustomuser add constraint broken check"
        " (history_change_reason not like 'Auto-updated by exp%') not valid"
    )
    assert run(hospital, "health-check")["state"] == "completed with errors"
    hospital.database.execute(
        "alter table equipemed.accounts_historicaleqmdcustomuser drop constraint broken"
    )
    hospital.wait(
        "the alert", lambda: hospital.mails(To="admin@equipemed.example", Subject="health-check")
    )


def test_monthly_maintenance(hospital):
    user = person(hospital)
    for state, age in (("approved", 731), ("denied", 800), ("pending", 900), ("approved", 700)):
        hospital.database.execute(
            "insert into equipemed.core_accountrenewalrequest (user_id, status, created_at) values"
            " (%s, %s, %s)",
            [user, state, NOW - timedelta(days=age)],
        )
    files = {"old.log": 91, "young.log": 89, "ancient.log.gz": 366, "kept.log.gz": 300}
    for name, age in files.items():
        path = hospital.reports / name
        path.write_text("linha\n" * 100)
        stamp = (NOW - timedelta(days=age)).timestamp()
        os.utime(path, (stamp, stamp))
    expiring = person(hospital, access_expires_at=at(-1))
    shown = run(hospital, "monthly-maintenance")
    assert shown["state"] == "succeeded", shown["reason"]
    left = hospital.database.rows(
        "select status from equipemed.core_accountrenewalrequest where user_id = %s order by 1",
        [user],
    )
    assert left == [("approved",), ("pending",)]
    assert any(
        "2" in r["reason"]
        for r in shown["reasons"]
        if r["type"].endswith("delete-old-renewal-requests")
    )
    assert {p.name for p in hospital.reports.iterdir()} >= {
        "old.log.gz",
        "young.log",
        "kept.log.gz",
        "monthly_summary_202603.csv",
    }
    assert (
        not (hospital.reports / "old.log").exists()
        and not (hospital.reports / "ancient.log.gz").exists()
    )
    assert outcomes(hospital, shown, expiring)[0][:3] == (
        "equipemed.check-expiration",
        "",
        "applied",
    )
    assert status(hospital, expiring) == "active"  # its last step is a dry run


def test_extend(hospital):
    admin = person(hospital, is_staff=True, username=f"admin{next(serial)}")
    admin_name = column(hospital, admin, "username")
    user = person(hospital, access_expires_at=at(10), account_status="expiring_soon")
    name = column(hospital, user, "username")
    said = hospital.cli(
        "extend",
        name,
        "--days",
        60,
        "--reason",
        "renovação",
        "--by",
        admin_name,
        answer="n",
        ok=(7,),
    )
    assert (
        column(hospital, user, "access_expires_at") == at(10)
        and name in said
        and "renovação" in said
    )
    said = hospital.cli(
        "extend", name, "--days", 60, "--reason", "renovação", "--by", admin_name, answer="y"
    )
    assert column(hospital, user, "access_expires_at") == at(70)
    assert "applied" in said and any("renovação" in r for r in reasons(hospital, user))
    assert (
        "does not exist"
        in hospital.cli(
            "extend", name, "--days", 1, "--reason", "x", "--by", "nobody", "--yes", ok=(1,)
        ).lower()
    )
    assert column(hospital, user, "access_expires_at") == at(70)
    hospital.cli("extend", "nobody", "--days", 1, "--reason", "x", "--yes", ok=(5,))
    hospital.cli("extend", name, "--days", "many", "--reason", "x", "--yes", ok=(2,))
    departed = person(hospital, account_status="departed", access_expires_at=at(1))
    departed_name = column(hospital, departed, "username")
    hospital.cli("extend", departed_name, "--days", 5, "--reason", "x", "--yes", ok=(1, 7))
    assert column(hospital, departed, "access_expires_at") == at(1)
    hospital.cli("extend", departed_name, "--days", 5, "--reason", "x", "--yes", "--force")
    assert column(hospital, departed, "access_expires_at") == at(6)
    open_ended = person(hospital)
    hospital.cli(
        "extend", column(hospital, open_ended, "username"), "--days", 30, "--reason", "x", "--yes"
    )
    left = column(hospital, open_ended, "access_expires_at") - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left < timedelta(days=30, hours=1)
    document = json.loads(
        hospital.cli("extend", name, "--days", 1, "--reason", "x", "--yes", "--json")
    )
    assert document["result"]["outcome"] == "applied"


def test_values_that_say_nothing_are_refused(hospital):
    for value in (
        "warning_days={-1}",
        "warning_days={30,-1}",
        "warning_days={366}",
        "warning_days={}",
        "warning_days={ }",
        "suspension_days=0",
    ):
        assert "rollcall: jobs run: --set:" in hospital.cli(
            "jobs", "run", "equipemed.send-expiration-warnings", "--set", value, ok=(2,)
        ), value
    assert "locked" in hospital.cli(
        "jobs", "run", "equipemed.cleanup-inactive", "--set", "never_inactivate={4}", ok=(2,)
    )
    name = column(hospital, person(hospital, access_expires_at=at(5)), "username")
    for reason in ("", "  ", "\t\n", "\u00a0"):
        assert "reason: must not be empty" in hospital.cli(
            "extend", name, "--days", 1, "--reason", reason, "--yes", ok=(2,)
        )
        assert "reason: must not be empty" in hospital.cli(
            "tasks",
            "submit",
            "--type",
            "extend",
            "--subject",
            "1",
            "--set",
            "days=1",
            "--set",
            f"reason={reason}",
            ok=(2,),
        )
    assert (
        hospital.database.value(
            "select count(*) from rollcall.run where settings <> '{}' and job = 'cleanup-inactive'"
        )
        == 0
    )


def test_suspend_and_resume(hospital):
    def suspended():
        return {j["job"]: j for j in json.loads(hospital.cli("jobs", "list", "--json"))}

    hospital.cli("jobs", "suspend", "equipemed.check-expiration")
    hospital.cli("jobs", "suspend", "--all")
    hospital.cli("jobs", "resume", "--all")
    listed = suspended()
    assert set(listed) >= {f"equipemed.{j}" for j in JOBS}
    assert (
        hospital.run("equipemed.lifecycle-report", ok=(0,))["state"] == "succeeded"
    )  # by hand, whatever is suspended


def test_everything_was_published_and_aggregated(hospital):
    """Last: the audit topic's totals agree with the ledger, and every run closed with its proof."""

    def agrees():
        ledger = hospital.database.rows(
            """select r.run_id, count(*) filter (where o.outcome = 0),
                count(*) filter (where o.outcome = 1), count(*) filter (where o.outcome = 2)
                                           from rollcall.outcome_all o
                                               join rollcall.run r using (run_no) group by 1
                                               order by 1"""
        )
        folded = hospital.database.rows(
            "select run_id, sum(applied)::bigint, sum(skipped)::bigint, sum(failed)::bigint from"
            " rollcall.run_total where job <> '' group by 1 order by 1"
        )
        return ledger == folded

    hospital.wait("the fold to agree with the ledger", agrees)
    assert (
        hospital.database.rows(
            "select run_id from rollcall.run_progress where state in ('succeeded', 'completed with"
            " errors') and planned > 0 and not (done = planned and digest_matches)"
        )
        == []
    )
    assert hospital.database.value("select count(*) from rollcall.dead_letter") == 0
    assert not any(
        text in hospital.logs() for text in ("@example.com", "Conceição")
    )  # nothing personal


def test_a_name_with_a_line_break_is_one_line_in_its_mail(tmp_path, database, embedded, unique):
    resting = "jobs = ( " + ", ".join(f'{{ name = "{j}"; suspend = true; }}' for j in JOBS) + " );"
    system = System(
        tmp_path,
        database,
        embedded,
        unique("p"),
        {REPO / "config/packs/equipemed": resting},
        [demo_tables("equipemed")],
        workers=1,
    )
    try:
        for n, name in enumerate(["Ana\n", "\tBia\r\nBcc: x@example.com", "Caio"]):
            database.execute(
                "insert into equipemed.accounts_eqmdcustomuser (username, email, first_name,"
                " last_name, profession_type, date_joined, access_expires_at) values (%s, %s, %s,"
                " 'Souza\n', 1, now() - interval '1 year', now() + interval '7 days')",
                [f"u{n}", f"u{n}@example.com", name],
            )
        run = system.run("send-expiration-warnings")
        assert run["state"] == "succeeded" and run["applied"] == 3, run
        for n, name in enumerate(["Ana", "Bia", "Caio"]):
            (mail,) = system.mails(to=f"u{n}@example.com")
            assert name in str(mail["to"]) and mail["bcc"] is None
    finally:
        system.close()

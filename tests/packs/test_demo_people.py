# SPDX-License-Identifier: Apache-2.0
"""The demo's organisation, and the packs' statements on it: plans that stay good, whole runs,
rows that fail.
"""

import subprocess
from datetime import UTC, datetime, timezone

import psycopg
import pytest
from composer import REPO, Pack

AT = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)
PEOPLE = 30000


def make(server, name, people):
    server.create(name, template="prepared")
    subprocess.run(
        [
            "psql",
            "-qX",
            "-v",
            "ON_ERROR_STOP=1",
            "-v",
            f"people={people}",
            "-v",
            f"at={AT.isoformat()}",
            "-d",
            server.conninfo(name),
            "-f",
            REPO / "config/demo/people.sql",
        ],
        check=True,
    )


@pytest.fixture(scope="module")
def crowd(server):
    make(server, "crowd", PEOPLE)
    with server.connect("crowd") as db:
        db.execute("set timezone = 'UTC'")
        yield db
    server.drop("crowd")


def plan(pack, sql, values):
    return "\n".join(r["QUERY PLAN"] for r in pack.query("explain " + sql, values, rollback=True))


def test_the_same_people_each_time(server, crowd):
    tables = [
        "equipemed.accounts_eqmdcustomuser",
        "equipemed.core_accountrenewalrequest",
        "astegni.users",
        "astegni.tutor_profiles",
    ]
    digest = "select " + ", ".join(
        f"(select md5(string_agg(t::text, '|' order by t.id)) from {t} t where t.id <= 1000)"
        for t in tables
    )
    make(server, "one", 3000)
    make(server, "two", 3000)
    with server.connect("one") as one, server.connect("two") as two:
        assert one.execute(digest).fetchone() == two.execute(digest).fetchone()
    server.drop("one")
    server.drop("two")


def test_a_realistic_organisation(crowd):
    def count(sql):
        return crowd.execute(
            f"select count(*) from equipemed.accounts_eqmdcustomuser where {sql}"
        ).fetchone()[0]

    assert (
        count("true") == PEOPLE
        and crowd.execute("select count(*) from astegni.users").fetchone()[0] == PEOPLE // 10
    )
    assert (
        count("email = ''") == 3
        and count("email !~ '^[^@ ]+@[^@ ]+$' and email <> ''") == 3
        and count("username like 'bloqueado.%'") == 2
    )
    for status in (
        "active",
        "expiring_soon",
        "expired",
        "inactive",
        "suspended",
        "departed",
        "renewal_required",
    ):
        assert count(f"account_status = '{status}'") > 0
    assert (
        count("supervisor_id is not null") > PEOPLE / 4
        and count("profession_type is null") > 0
        and count("last_meaningful_activity is null") > 0
    )
    assert crowd.execute(
        "select max(access_expires_at) - min(access_expires_at) > interval '725 days' from"
        " equipemed.accounts_eqmdcustomuser"
    ).fetchone()[0]


@pytest.mark.parametrize(
    "task_type, index",
    [
        ("check-expiration", "rollcall_status_expiry"),
        ("warn-expiration", "rollcall_status_expiry"),
        ("mark-inactive", "rollcall_inactive_since"),
    ],
)
def test_due_people_are_found_by_an_index(crowd, task_type, index):
    pack = Pack("equipemed", crowd)
    text = plan(pack, pack.file(pack.types[task_type]["due"]), pack.values(AT))
    assert index in text and "Seq Scan on accounts" not in text, text
    assert (
        "rollcall_equipemed.next_status" not in text
        and "to_mark_inactive" not in text
        and "warning_due" not in text
    ), "a rule was not inlined"


def test_the_seeds_rule_is_found_by_the_index_too(crowd):
    pack = Pack("equipemed", crowd)
    text = plan(
        pack,
        pack.file("sql/check-expiration.due.sql"),
        pack.values(AT, settings={"status_rule": "literal", "role": "student"}),
    )
    assert "rollcall_status_expiry" in text and "Seq Scan" not in text, text


def test_due_accounts_are_found_by_an_index(crowd):
    pack = Pack("astegni", crowd)
    assert "rollcall_account_goes" in plan(
        pack, pack.file("sql/purge-account.due.sql"), pack.values(AT)
    )


def test_a_batch_goes_through_the_primary_key(crowd):
    """As a prepared statement of the worker sees it: the subjects are a parameter of unknown
    length.
    """
    pack = Pack("equipemed", crowd)
    bound, _ = pack.bind(pack.file("sql/check-expiration.sql"))
    sql, _ = pack.composed("check-expiration", bound)
    with crowd.transaction(force_rollback=True), crowd.cursor() as cursor:
        cursor.execute("set local search_path = equipemed")
        cursor.execute("set local plan_cache_mode = force_generic_plan")
        values = pack.values(AT) | {"batch_subject": [1], "batch_item": [""], "batch_actor": [""]}
        cursor.execute("explain " + sql + "select * from effect", values)
        text = "\n".join(r[0] for r in cursor)
    assert "accounts_eqmdcustomuser_pkey" in text and "Seq Scan on accounts" not in text, text


def halving(run, tasks):
    """What the engine does with a failing batch."""
    try:
        return list(run(tasks).values())
    except psycopg.errors.RaiseException as e:
        if len(tasks) == 1:
            return [{"subject": tasks[0][0], "outcome": "failed", "reason": e.diag.message_primary}]
        middle = len(tasks) // 2
        return halving(run, tasks[:middle]) + halving(run, tasks[middle:])


def test_every_task_of_a_day_has_one_outcome(crowd):
    """check, warnings, clean-up, purge, in batches of 5,000; every planned task has one outcome,
    the broken rows fail alone.
    """
    pack, shop = Pack("equipemed", crowd), Pack("astegni", crowd)
    failed = []
    for p, task_type in (
        (pack, "check-expiration"),
        (pack, "mark-inactive"),
        (pack, "auto-suspend"),
        (shop, "purge-role"),
        (shop, "purge-account"),
    ):
        due, done = p.due(task_type, AT), []
        assert due
        for at in range(0, len(due), 5000):
            batch = due[at : at + 5000]
            assert len({u for u, _ in batch}) == len(batch)
            done += halving(lambda tasks: p.run(task_type, tasks, AT), batch)
        failed += [(task_type, r["reason"]) for r in done if r["outcome"] == "failed"]
        assert sorted(r["subject"] for r in done) == [u for u, _ in due]
        left = [u for u, _ in p.due(task_type, AT)]
        assert len(left) == sum(r["outcome"] != "applied" for r in done)
    assert sorted(failed) == [("check-expiration", "registro bloqueado")] * 2 + [
        ("purge-role", "registro bloqueado")
    ]
    rows = pack.send("warn-expiration", pack.due("warn-expiration", AT), AT)
    bad = [r["reason"] for r in rows.values() if r["outcome"] == "failed"]
    assert (
        sorted(bad) == ["invalid mail address"] * 3 + ["no mail address"] * 3
        and sum(r["outcome"] == "send" for r in rows.values()) > 300
    )
    assert pack.report("lifecycle", AT)["summary"]["total_active_users"] > PEOPLE * 0.9

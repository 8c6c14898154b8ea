# SPDX-License-Identifier: Apache-2.0
"""The marketplace's purge on real parts: roles and accounts past their grace period, backup and
approval first, everything told afterwards.
"""

import itertools
import json
import shutil
import threading
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from harness.paths import REPO
from harness.system import System, body, demo_tables

NOW = datetime.now(UTC).replace(microsecond=0)
serial = itertools.count(1)


class Hook(HTTPServer):
    """A chat channel's incoming webhook."""

    def __init__(self):
        self.posts = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                hook.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def hook():
    server = Hook()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def market(database, kafka, unique, tmp_path, hook):
    """The pack as shipped, but for the file with the webhook's URL, which is a secret of the
    machine.
    """
    pack, secret = tmp_path / "astegni", tmp_path / "hook.url"
    shutil.copytree(REPO / "config/packs/astegni", pack)
    secret.write_text(f"http://127.0.0.1:{hook.server_port}/services/x\n")
    secret.chmod(0o600)
    cfg = pack / "pack.cfg"
    cfg.write_text(cfg.read_text().replace("/etc/rollcall/astegni-webhook-url", str(secret)))
    more = 'settings = { webhook = true; }; jobs = ( { name = "purge-expired"; suspend = true; } );'
    system = System(
        tmp_path,
        database,
        kafka,
        unique("market"),
        {pack: more},
        tables=[demo_tables("astegni")],
        workers=1,
    )
    yield system
    system.close()


def user(system, roles=(), due=None, **columns):
    n = next(serial)
    row = {
        "first_name": "Abebe",
        "email": f"user{n}@astegni.example",
        "roles": list(roles),
        "scheduled_deletion_at": due,
        **columns,
    }
    names = ", ".join(row)
    return system.database.value(
        f"insert into astegni.users ({names}) values ({', '.join(['%s'] * len(row))}) returning id",
        list(row.values()),
    )


def profile(system, table, who, due=None):
    return system.database.value(
        f"insert into astegni.{table}_profiles (user_id, scheduled_deletion_at) values (%s, %s)"
        " returning id",
        [who, due],
    )


def audit(system, who):
    return system.database.rows(
        "select deletion_type, role_name, automated, user_email from astegni.deletion_audit_log"
        " where user_id = %s order by id",
        [who],
    )


def outcome(shown, kind):
    return {r["reason"]: r["count"] for r in shown["reasons"] if r["type"] == f"astegni.{kind}"}


def test_a_purge_by_hand_needs_a_backup_too(market):
    """What guards the job guards its effects, whoever asks."""
    past = NOW - timedelta(days=1)
    leaving, tutoring = user(market, due=past), user(market, ["tutor"])
    profile(market, "tutor", tutoring, past)

    def submit(kind, who, *more, ok):
        return market.cli(
            "tasks",
            "submit",
            "--type",
            f"astegni.{kind}",
            "--subject",
            who,
            *more,
            "--yes",
            "--wait",
            ok=ok,
        )

    assert "refused: no verified backup" in submit("purge-account", leaving, ok=(1,))
    assert "refused: no verified backup" in submit(
        "purge-role", tutoring, "--item", "tutor", ok=(1,)
    )
    market.cli(
        "record-backup", (NOW - timedelta(days=9)).isoformat(), "--name", "old.dump", "--yes"
    )
    assert "refused: the newest verified backup was taken" in submit(
        "purge-account", leaving, ok=(1,)
    )
    assert (
        market.database.value(
            "select count(*) from astegni.users where id in (%s, %s)", [leaving, tutoring]
        )
        == 2
    )
    assert (
        audit(market, leaving) == []
        and market.database.value("select count(*) from astegni.tutor_profiles") == 1
    )
    market.cli("record-backup", "now", "--name", "nightly.dump", "--yes")
    submit("purge-account", leaving, ok=(0,))
    submit("purge-role", tutoring, "--item", "tutor", ok=(0,))
    assert market.database.value("select count(*) from astegni.users where id = %s", [leaving]) == 0


def test_purge(market, hook):
    past, future = NOW - timedelta(days=1), NOW + timedelta(days=1)
    both = user(market, ["student", "tutor"])
    profile(market, "student", both)
    tutor = profile(market, "tutor", both, past)
    market.database.execute(
        "insert into astegni.tutor_sessions (tutor_profile_id, held_at) values (%s, now())", [tutor]
    )
    two = user(
        market, ["parent", "advertiser"]
    )  # two roles at once: one user's row is touched twice
    for role in ("parent", "advertiser"):
        profile(market, role, two, past)
    early = user(market, ["student"])
    profile(market, "student", early, future)
    leaving = user(market, ["student"], due=past)
    profile(market, "student", leaving)
    staying = user(market, due=future)
    rich, approved = (
        user(market, due=past, high_value=True),
        user(market, due=past, high_value=True),
    )
    admin = user(market, ["admin"], email="boss@astegni.example")
    assert admin

    refused = market.run("astegni.purge-expired", ok=(7,))
    assert refused["state"] == "refused" and "backup" in refused["reason"]
    dry = market.run("astegni.purge-expired", "--dry-run")
    assert {(c["subject"], c["item"]) for c in dry["changes"]} >= {
        (str(both), "tutor"),
        (str(leaving), ""),
    }
    assert market.database.value("select count(*) from astegni.deletion_audit_log") == 0
    assert market.database.value("select count(*) from astegni.tutor_profiles") == 1

    market.cli("record-backup", "now", "--name", "nightly.dump", "--yes")
    email = market.database.value("select email from astegni.users where id = %s", [approved])
    me = market.database.value("select session_user")
    assert "is not known" in market.cli(
        "approve-deletion", email, "--reason", "x", "--yes", ok=(1,)
    )
    market.cli(
        "approve-deletion", email, "--by", "boss@astegni.example", "--reason", "x", "--yes", ok=(2,)
    )  # nobody names another
    market.database.execute(
        "insert into rollcall_astegni.operator_identity values (%s, %s)", [me, approved]
    )
    assert "has not the role admin" in market.cli(
        "approve-deletion", email, "--reason", "x", "--yes", ok=(7,)
    )
    market.database.execute("update rollcall_astegni.operator_identity set user_id = %s", [admin])
    market.database.execute(
        "insert into rollcall_astegni.deletion_request (user_id, item, due_at, requested_by,"
        " reason) values (%s, '', %s, %s, 'x')",
        [approved, past, me],
    )
    assert "the requester must not approve" in market.cli(
        "approve-deletion", email, "--reason", "x", "--yes", ok=(7,)
    )
    market.database.execute(
        "update rollcall_astegni.deletion_request set requested_by = 'somebody'"
    )
    market.cli("approve-deletion", email, "--reason", "checked", "--yes")
    shown = market.run("astegni.purge-expired")
    assert shown["state"] == "succeeded" and shown["complete"] and shown["digest_matches"]

    def roles(who):
        return market.database.value("select roles from astegni.users where id = %s", [who])

    assert roles(both) == ["student"] and roles(two) == [] and roles(early) == ["student"]
    assert (
        market.database.value("select count(*) from astegni.tutor_sessions") == 0
    )  # its data cascades
    assert (
        roles(leaving) is None
        and roles(approved) is None
        and roles(rich) is not None
        and roles(staying) is not None
    )
    assert [a[:3] for a in audit(market, both)] == [("role", "tutor", False)]
    assert sorted(a[1] for a in audit(market, two)) == ["advertiser", "parent"]
    assert audit(market, leaving) == [
        ("account", None, False, f"{audit(market, leaving)[0][3]}")
    ] and audit(market, leaving)[0][3].endswith("@astegni.example")
    assert (
        audit(market, rich) == []
        and outcome(shown, "purge-account")["high-value account: needs approval"] == 1
    )

    (summary,) = market.wait(
        "the summary mail", lambda: market.mails(Subject="3 roles and 2 accounts deleted")
    )
    assert "3 roles and 2 accounts deleted" in body(summary)
    market.wait(
        "the alert of deleted accounts", lambda: market.mails(Subject="alert: 2 accounts deleted")
    )
    market.wait("the webhook", lambda: hook.posts)
    assert hook.posts == [{"text": "Astegni: 3 roles and 2 accounts deleted, 1 await approval"}]
    assert "@astegni.example" not in market.logs()

    again = market.run("astegni.purge-expired")
    assert again["applied"] == 0  # nothing is done twice


def test_schedule_cancel_and_list(market):
    who = user(market, ["student"], email="leaver@astegni.example")
    profile(market, "student", who)
    admin = user(market, ["admin"], email="boss@astegni.example")
    assert admin
    market.cli(
        "schedule-deletion", "leaver@astegni.example", "--days", 5, "--reason", "asked", "--yes"
    )
    due = market.database.value(
        "select scheduled_deletion_at from astegni.users where id = %s", [who]
    )
    assert timedelta(days=4, hours=23) < due - datetime.now(UTC) < timedelta(days=5, minutes=1)
    listed = market.report("scheduled-deletions")
    assert [(a["user_id"], a["days_left"]) for a in listed["accounts"]] == [(who, 5)]
    market.cli("cancel-deletion", "leaver@astegni.example", "--yes")
    assert (
        market.database.value(
            "select scheduled_deletion_at from astegni.users where id = %s", [who]
        )
        is None
    )
    market.cli("record-backup", "now", "--name", "b", "--yes")
    assert market.run("astegni.purge-expired")["applied"] == 0


def test_reprieve_between_plan_and_purge(market):
    """A user who is reactivated after the plan was made is not deleted: the condition is read
    again in the transaction that deletes.
    """
    saved, gone = (
        user(market, due=NOW - timedelta(days=1)),
        user(market, due=NOW - timedelta(days=1)),
    )
    market.cli("record-backup", "now", "--name", "b", "--yes")
    worker = market.daemons.pop("worker-1")
    worker.stop()
    market.cli("jobs", "run", "astegni.purge-expired", "--yes")
    market.wait(
        "the plan",
        lambda: (
            market.database.value("select planned from rollcall.run where state = 'published'") == 2
        ),
    )
    market.database.execute(
        "update astegni.users set scheduled_deletion_at = null where id = %s", [saved]
    )
    market.start("worker", "worker-2")
    market.wait(
        "the close",
        lambda: (
            market.database.value("select state from rollcall.run order by run_no desc limit 1")
            == "succeeded"
        ),
    )
    assert market.database.rows("select id from astegni.users") == [(saved,)]
    assert (
        market.database.value(
            "select reason from rollcall.outcome where subject = %s", [str(saved)]
        )
        != ""
    )
    assert audit(market, gone) and not audit(market, saved)


def test_more_tables_by_configuration_alone(market):
    market.database.execute(
        "create table astegni.guardian_profiles (like astegni.parent_profiles including all)"
    )
    who = user(market, ["guardian"])
    profile(market, "guardian", who, NOW - timedelta(days=1))
    market.cli("record-backup", "now", "--name", "b", "--yes")
    market.run(
        "astegni.purge-expired", "--set", "profile_tables={student_profiles,guardian_profiles}"
    )
    assert audit(market, who)[0][:2] == ("role", "guardian")

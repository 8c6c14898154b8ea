# SPDX-License-Identifier: Apache-2.0
"""Least privilege: every program works with the PostgreSQL role that docker/roles gives it, and
with that role can do nothing else.
"""

import os
import subprocess

import psycopg
import pytest
from harness.paths import REPO, program
from harness.postgres import USER, Database, binaries
from harness.process import Process
from harness.system import System, demo_tables

ROLES = [
    "rollcall_scheduler",
    "rollcall_worker",
    "rollcall_aggregator",
    "rollcall_operator",
    "rollcall_reader",
]
SUSPENDED = (
    "jobs = ( "
    + ", ".join(
        f'{{ name = "{j}"; suspend = true; }}'
        for j in [
            "check-expiration",
            "send-expiration-warnings",
            "inactive-users-report",
            "lifecycle-report",
            "lifecycle-report-monthly",
            "cleanup-inactive",
            "monthly-maintenance",
            "health-check",
        ]
    )
    + " );"
)
PACKS = {
    REPO / "config/packs/equipemed": SUSPENDED,
    REPO / "config/packs/astegni": 'jobs = ( { name = "purge-expired"; suspend = true; } );',
}


class Guarded(System):
    """A System whose owner's role sets up; each program then has a configuration with its own
    role.
    """

    def with_role(self, role):
        path = self.folder / f"{role}.cfg"
        path.write_text(self.config.read_text().replace(f"user={USER}", f"user={role}"))
        return path

    def start(self, kind, name=None):
        if not self.daemons:
            self.grant()
        name = name or kind
        self.daemons[name] = Process(
            [program(f"rollcall-{kind}"), "-c", self.with_role(f"rollcall_{kind}")],
            self.folder / f"{name}.log",
        )
        self.daemons[name].wait_until(lambda: 'msg="ready"' in self.daemons[name].text())
        return self.daemons[name]

    def grant(self):
        for sql in "rollcall", "equipemed", "astegni":
            self.database.execute((REPO / f"docker/roles/{sql}.sql").read_text())
        if self.database.value(
            "select to_regclass('astegni.bloqueado') is not null"
        ):  # a trigger of the made-up people reads it
            self.database.execute("grant select on astegni.bloqueado to rollcall_astegni_read")

    def as_role(self, role, *args, **options):
        owner, self.config = self.config, self.with_role(role)
        try:
            return self.cli(*args, **options)
        finally:
            self.config = owner


@pytest.fixture(scope="module")
def guarded(postgres, kafka, tmp_path_factory):
    database = Database(postgres, f"roles_{os.getpid()}")
    system = None
    try:
        system = Guarded(
            tmp_path_factory.mktemp("roles"),
            database,
            kafka,
            f"ro{os.getpid()}",
            PACKS,
            tables=[demo_tables("equipemed"), demo_tables("astegni")],
        )
        subprocess.run(
            [
                binaries() / "psql",
                "-qX",
                "-v",
                "ON_ERROR_STOP=1",
                "-v",
                "people=2000",
                "-f",
                REPO / "config/demo/people.sql",
                database.conninfo,
            ],
            check=True,
        )
        system.grant()  # can be repeated; the made-up people came with a table of their own
        yield system
    finally:
        if system:
            system.close()
        database.close()
        with postgres.connect() as db:
            for role in (
                ROLES
                + [
                    f"rollcall_{pack}_{kind}"
                    for pack in ("equipemed", "astegni")
                    for kind in ("read", "write")
                ]
                + ["rollcall_astegni_approver", "rollcall_astegni_backup"]
            ):
                db.execute(f"drop role if exists {role}")


def denied(system):
    return [
        line
        for name, d in system.daemons.items()
        for line in d.text().splitlines()
        if "permission denied" in line or "must be owner" in line
    ]


def test_all_programs_work(guarded):
    guarded.as_role(
        "rollcall_operator", "record-backup", "now", "--name", "b", "--yes", ok=(7,)
    )  # needs a role
    guarded.database.execute("grant rollcall_astegni_backup to rollcall_operator")
    guarded.as_role("rollcall_operator", "record-backup", "now", "--name", "b", "--yes")
    for job, ok in {
        "equipemed.check-expiration": 1,
        "equipemed.send-expiration-warnings": 1,
        "equipemed.cleanup-inactive": 0,
        "equipemed.monthly-maintenance": 1,
        "equipemed.update-user-statuses": 1,
        "equipemed.lifecycle-report": 0,
        "astegni.purge-expired": 1,
    }.items():
        guarded.as_role(
            "rollcall_operator", "jobs", "run", job, "--wait", "--force", "--yes", ok=(ok,)
        )
    denials = guarded.database.rows(
        "select type, reason from rollcall.outcome_named where reason ~ 'SQLSTATE 42' and outcome"
        " <> 'applied'"
    )
    assert denials == [] and denied(guarded) == []
    assert (
        guarded.database.value(
            "select count(*) from rollcall.outcome_named where outcome = 'applied' and type ~"
            " 'purge-(role|account)$'"
        )
        > 0
    )
    guarded.wait(
        "the aggregator",
        lambda: (
            guarded.database.value("select coalesce(sum(applied), 0) from rollcall.run_total")
            == guarded.database.value(
                "select count(*) from rollcall.outcome_named where outcome = 'applied'"
            )
        ),
    )


def test_an_operator_may_do_an_operators_work_only(guarded):
    def operator(*args, **options):
        return guarded.as_role("rollcall_operator", *args, **options)

    user = guarded.database.value(
        "select username from equipemed.accounts_eqmdcustomuser where account_status = 'active' and"
        " access_expires_at > now() limit 1"
    )
    assert "applied" in operator("extend", user, "--days", "90", "--reason", "contract", "--yes")
    assert "applied" in operator(
        "update-status", user, "--to-status", "departed", "--reason", "left", "--yes"
    )
    assert "applied" in operator("set-expiration", user, "--months", "6", "--yes")
    restore = ["emergency-restore", user, "--reason", "night shift", "--force", "--yes"]
    operator(*restore, "--by", "admin", ok=(7,))  # in somebody's name: needs act_for_others
    assert "administrator rollcall_operator does not exist" in operator(*restore, ok=(1,))
    before = guarded.config.read_text()
    guarded.config.write_text(
        before + 'security = { act_for_others = [ "rollcall_operator" ]; };\n'
    )
    guarded.cli("db", "apply")
    assert "applied" in operator(*restore, "--by", "admin")
    pending = guarded.database.value(
        "select u.username from equipemed.core_accountrenewalrequest r join"
        " equipemed.accounts_eqmdcustomuser u on u.id = r.user_id where r.status = 'pending' and"
        " u.account_status <> 'departed' limit 1"
    )
    assert "applied" in operator(
        "--actor", "admin", "decide-renewal", pending, "--decision", "approve", "--yes"
    )
    guarded.config.write_text(before)
    guarded.cli("db", "apply")
    operator("jobs", "suspend", "astegni.purge-expired", "--reason", "audit")
    assert "suspended by the configuration" in operator(
        "jobs", "resume", "astegni.purge-expired", ok=(7,)
    )
    for words in (
        ["status"],
        ["jobs", "list"],
        ["runs", "list"],
        ["runs", "show", "equipemed.check-expiration", "--missing"],
        ["dead-letters", "list"],
        ["results", "tail", "--count", "3"],
        ["report", "lifecycle"],
    ):
        operator(*words)
    operator(
        "runs", "republish", "equipemed.cleanup-inactive", ok=(7,)
    )  # closed: refused by the rule, not by the database
    assert denied(guarded) == []


def test_positions_are_repaired(guarded):
    """By the operator; the scheduler, the workers and the aggregator do their parts of it."""
    db, topics = guarded.database, [f"{guarded.prefix}.tasks", f"{guarded.prefix}.results"]
    db.execute(
        "update rollcall.position set next = next + 100000, epoch = epoch + 1 where topic ="
        " any(%s)",
        (topics,),
    )
    guarded.wait(
        "the worker stops",
        lambda: any(
            "rollcall topics repair" in d.text()
            for name, d in guarded.daemons.items()
            if name.startswith("worker")
        ),
    )
    # While the two workers share the partitions the tool says: run the command once more.
    guarded.wait(
        "the repair",
        lambda: (
            "8 positions were repaired"
            in guarded.as_role("rollcall_operator", "topics", "repair", "--yes", ok=(0, 1))
        ),
    )
    guarded.as_role(
        "rollcall_operator",
        "jobs",
        "run",
        "equipemed.update-user-statuses",
        "--wait",
        "--force",
        ok=(0, 1),
    )
    guarded.wait(
        "nothing is left to do",
        lambda: db.value(
            "select count(*) = 8 and bool_and(repaired_at is not null) from rollcall.log_gap"
        ),
        40,
    )
    assert denied(guarded) == []
    assert guarded.as_role("rollcall_reader", "topics", "repair", "--dry-run")


def test_operator_cancels(guarded):
    guarded.as_role(
        "rollcall_operator",
        "jobs",
        "run",
        "astegni.purge-expired",
        "--dry-run",
        "--at",
        "2026-01-01T00:00:00Z",
        "--yes",
    )  # nobody plans it, or it is quick
    run = guarded.database.value(
        "select run_id::text from rollcall.run where job = 'purge-expired' and scheduled_at ="
        " '2026-01-01T00:00:00Z'"
    )
    guarded.as_role("rollcall_operator", "runs", "cancel", run, "--yes", ok=(0, 7))
    assert guarded.database.value(
        "select not rollcall.run_is_open(state) from rollcall.run where run_id = %s", (run,)
    )


def test_reader_reads_only(guarded):
    for words in (
        ["status"],
        ["runs", "show", "equipemed.check-expiration"],
        ["report", "lifecycle"],
        ["report", "purge-summary"],
    ):
        guarded.as_role("rollcall_reader", *words)
    assert "permission denied" in guarded.as_role(
        "rollcall_reader", "jobs", "run", "equipemed.check-expiration", ok=(7,)
    )


@pytest.mark.parametrize(
    "role, sql",
    [
        ("rollcall_reader", "update rollcall.run set state = 'succeeded'"),
        ("rollcall_reader", "select rollcall.ensure_day('2030-01-01')"),
        (
            "rollcall_reader",
            "update equipemed.accounts_eqmdcustomuser set account_status = 'active'",
        ),
        ("rollcall_aggregator", "select from equipemed.accounts_eqmdcustomuser"),
        ("rollcall_aggregator", "update rollcall.outcome set outcome = 0"),
        ("rollcall_aggregator", "select from rollcall.plan"),
        ("rollcall_aggregator", "update rollcall.run set state = 'succeeded'"),
        (
            "rollcall_scheduler",
            "update equipemed.accounts_eqmdcustomuser set account_status = 'active'",
        ),
        ("rollcall_scheduler", "insert into rollcall.outcome select * from rollcall.outcome"),
        ("rollcall_scheduler", "create table rollcall.mine ()"),
        ("rollcall_worker", "update rollcall.run set state = 'succeeded'"),
        ("rollcall_worker", "update equipemed.accounts_eqmdcustomuser set username = 'x'"),
        ("rollcall_worker", "delete from equipemed.accounts_eqmdcustomuser"),
        ("rollcall_worker", "delete from rollcall.outcome"),
        ("rollcall_worker", "select rollcall.ensure_day('2030-01-01')"),
        ("rollcall_operator", "delete from rollcall.outcome"),
        ("rollcall_operator", "update rollcall.outcome set outcome = 0"),
        ("rollcall_operator", "update rollcall.run set planned = 0"),
        ("rollcall_operator", "update rollcall.run set state = 'planned'"),
        (
            "rollcall_operator",
            (
                "insert into rollcall.request (kind, actor, origin) values ('run', 'somebody',"
                " 'operator')"
            ),
        ),
        ("rollcall_operator", "update rollcall.held set state = 'drop'"),
        ("rollcall_operator", "select rollcall.file_request('run', '', '{}', null)"),
        ("rollcall_operator", "select rollcall.republish_requests(null, null)"),
        (
            "rollcall_operator",
            (
                "select rollcall.request_tasks('astegni.approve-deletion', false, null,"
                " array[gen_random_uuid()], array['1'], null, null)"
            ),
        ),
        (
            "rollcall_operator",
            (
                "select rollcall.request_tasks('equipemed.extend', false, 'somebody',"
                " array[gen_random_uuid()], array['1'], null, null)"
            ),
        ),
        ("rollcall_operator", "delete from astegni.users"),
        (
            "rollcall_operator",
            "update equipemed.accounts_eqmdcustomuser set account_status = 'active'",
        ),
        ("rollcall_operator", "select password from equipemed.accounts_eqmdcustomuser"),
        ("rollcall_worker", "select password from equipemed.accounts_eqmdcustomuser"),
        ("rollcall_reader", "select * from equipemed.accounts_eqmdcustomuser"),
        (
            "rollcall_reader",
            (
                "select rollcall.request_tasks('equipemed.extend', false, null,"
                " array[gen_random_uuid()], array['1'], null, null)"
            ),
        ),
        ("rollcall_operator", "insert into rollcall.run (run_id) values (gen_random_uuid())"),
        (
            "rollcall_reader",
            (
                "select rollcall.request_run(gen_random_uuid(), 'astegni', 'purge-expired', now(),"
                " '{}', true, false, null, null)"
            ),
        ),
        ("rollcall_operator", "update rollcall.job set suspended = true"),
        ("rollcall_reader", "select rollcall.suspend_jobs('{}', true, null, null)"),
        ("rollcall_reader", "select rollcall.resume_jobs('{}', true, null)"),
        ("rollcall_reader", "select rollcall.release_run(gen_random_uuid(), null)"),
        ("rollcall_reader", "select rollcall.cancel_run(gen_random_uuid(), '', null)"),
        ("rollcall_operator", "select rollcall.file_request('run', '', '{}', null)"),
    ],
)
def test_each_role_is_denied_what_it_does_not_need(guarded, role, sql):
    with psycopg.connect(guarded.database.conninfo.replace(f"user={USER}", f"user={role}")) as db:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(sql)

# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL behind PgBouncer: with session pooling everything works whatever its settings are,
transaction pooling is refused by name.
"""

import contextlib
import subprocess

import psycopg
import pytest
from cli_pack import TABLES, Service, run
from harness.paths import REPO, program
from harness.pgbouncer import PgBouncer
from harness.system import System, demo_tables

SENTENCE = "gives each transaction another connection"


@pytest.fixture
def pooled(postgres):
    """pooled(pool_mode="session", …): a pooler, closed with the test."""
    made = []

    def make(**settings):
        made.append(PgBouncer(postgres, **settings))
        return made[-1]

    yield make
    for pooler in made:
        pooler.close()


class Behind:
    """A database as the programs see it through the pooler."""

    def __init__(self, database, pooler):
        self.conninfo = pooler.conninfo(database.name)
        self.execute, self.value, self.rows = database.execute, database.value, database.rows


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ignore_startup_parameters": "options,extra_float_digits"},
        {"server_reset_query_always": 1, "server_round_robin": 1},
    ],
    ids=["plain", "ignoring", "robin"],
)
def test_session_pooling_works_with_any_settings_and_zone(
    tmp_path, database, embedded, pooled, unique, settings
):
    database.execute(f"alter database {database.name} set timezone = 'America/St_Johns'")
    database.execute(f"alter database {database.name} set datestyle = 'SQL, DMY'")
    database.execute(f"alter database {database.name} set intervalstyle = 'postgres_verbose'")
    behind = Behind(database, pooled(pool_mode="session", **settings))
    jobs = 'jobs = ( { name = "health-check"; suspend = true; } );'
    system = System(
        tmp_path,
        behind,
        embedded,
        unique("p"),
        {REPO / "config/packs/equipemed": jobs},
        [demo_tables("equipemed")],
        workers=1,
    )
    try:
        database.execute(
            "insert into equipemed.accounts_eqmdcustomuser (username, email, first_name, last_name,"
            " profession_type, date_joined, access_expires_at) select 'p' || n, 'p' || n ||"
            " '@example.com', 'Ana', 'C', 1, now() - interval '1 year', now() - interval '1 day'"
            " from generate_series(1, 50) n"
        )
        run = system.run("check-expiration")
        assert run["state"] == "succeeded" and run["applied"] == 50, run
        out = system.cli("check", "--offline", ok=(0, 1))
        assert SENTENCE not in out
    finally:
        system.close()


def use_processes(conninfo, n):
    """Leaves the pooler with at least so many idle server processes."""
    with contextlib.ExitStack() as stack:
        for _ in range(n):
            stack.enter_context(psycopg.connect(conninfo)).execute("select 1")


@pytest.mark.parametrize(
    "settings",
    [
        {"pool_mode": "transaction"},
        {"pool_mode": "transaction", "ignore_startup_parameters": "options"},
        {"pool_mode": "transaction", "server_round_robin": 1},
        {"pool_mode": "statement"},
    ],
    ids=["transaction", "ignoring", "robin", "statement"],
)
def test_transaction_pooling_is_refused_by_name(tmp_path, database, pooled, settings):
    database.execute(TABLES)
    for name in ("direct", "pooled"):
        (tmp_path / name).mkdir()
    Service(tmp_path / "direct", database.conninfo, "127.0.0.1:9").rollcall("db", "apply")
    conninfo = pooled(**settings).conninfo(database.name)
    service = Service(tmp_path / "pooled", conninfo, "127.0.0.1:9")
    for idle in range(4):
        out = service.rollcall("check", "--offline", code=1)
        assert SENTENCE in out and "pool_mode = session" in out, out
        for name in ("rollcall-worker", "rollcall-scheduler", "rollcall-aggregator"):
            if settings["pool_mode"] == "transaction":
                use_processes(conninfo, idle)
            done = subprocess.run(
                [program(name), "-c", service.file], capture_output=True, text=True, timeout=30
            )
            assert done.returncode == 1 and SENTENCE in done.stderr, (idle, done.stderr)
    _, err, code = run("jobs", "list", "-c", service.file)
    assert code == 3 and SENTENCE in err, err

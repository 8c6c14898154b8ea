# SPDX-License-Identifier: Apache-2.0
"""Rows 14 to 16 of docs/reliability.md: connections end, replies to COMMIT are lost, the server
refuses to write or another takes its place.
"""

import os
import signal
import subprocess
import time

import pytest
from harness.postgres import Postgres, binaries


# ---- 14, 15, 16: the database ----
@pytest.mark.parametrize("how", ["restart", "terminated", "idle"])
def test_row_14_database_connections_end(cluster, chance, how, own_postgres):
    w = cluster(
        database=own_postgres(), people=500, batch=20, verify_options={"repeated_mails": "killed"}
    )
    workers = w.begin(workers=1)
    if how == "idle":  # in the middle of a transaction, for longer than the server allows
        workers.append(w.worker(f"decide.uncommitted=sleep:4000@{chance.randint(1, 4)}"))
    w.ask()
    for _ in range(1 if how == "idle" else 3):
        w.wait_done(chance.randint(20, 500))
        if how == "terminated":
            w.database.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like"
                " 'rollcall-%' and random() < 0.8"
            )
        elif how == "restart":
            w.database.db.close()
            w.postgres.restart(crash=True)
            w.database.db = w.postgres.connect(w.database.name)
        else:
            w.wait_log(workers[-1], "failpoint name=")
            workers[-1].expected = False
    w.ask()
    w.finish(timeout=90)


def test_row_14_connection_ends_while_partitions_are_claimed(cluster):
    """Claimed in the table, but not accepted from the group: the offer is refused, and accepted
    when it comes again.
    """
    w = cluster(people=200)
    w.start("aggregator")
    w.start("scheduler")
    w.worker(lanes='"jobs"')
    claiming = w.worker("partitions.claimed=sleep:2000@1", lanes='"tasks"')
    w.wait_log(claiming, "failpoint name=")
    w.database.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like"
        " 'rollcall-worker%' and datname = current_database()"
    )
    claiming.expected = False
    w.ask("bumping")
    w.finish(timeout=40)


@pytest.mark.parametrize("who", ["worker", "scheduler", "aggregator"])
def test_row_15_the_reply_to_commit_is_lost(cluster, chance, who):
    """The server has committed and the client never hears of it, again and again: what is
    stored is read back.
    """
    w = cluster(people=300, batch=20, verify_options={"repeated_mails": "killed"})
    for kind in ("aggregator", "scheduler", "worker"):
        w.start(kind, **(w.through(postgres=w.postgres_proxy) if kind == who else {}))
    lost = 0
    for _ in range(6):
        w.postgres_proxy.lose_reply(nth=chance.randint(1, 8 if who == "worker" else 2))
        w.ask()
        try:
            w.wait(lambda: w.postgres_proxy.swallowed > lost, 8)
        except AssertionError:
            pass
        lost = w.postgres_proxy.swallowed
    assert lost >= 3, lost
    r = w.finish(timeout=90)
    print(f"{lost} replies lost, {r.numbers['repeated_events']} events repeated")


def test_row_16_read_only_database(cluster, chance, own_postgres):
    """The server refuses to write: no false success, and work continues when it writes again."""
    w = cluster(
        database=own_postgres(), people=300, batch=20, verify_options={"repeated_mails": "killed"}
    )
    w.begin()
    w.ask()
    w.wait_done(chance.randint(20, 400))
    w.database.execute("alter system set default_transaction_read_only = on")
    w.database.execute("select pg_reload_conf()")
    time.sleep(1)
    before, events = w.done(), w.value("select sum(published) from rollcall.position")
    time.sleep(3)
    assert w.done() == before, "outcomes were written into a read-only database"
    w.database.execute("alter system reset default_transaction_read_only")
    w.database.execute("select pg_reload_conf()")
    assert events is not None
    w.ask()
    w.finish(timeout=90)


def test_row_16_failover(cluster, chance, own_postgres):
    """The primary dies, its synchronous standby is promoted: nothing that was acknowledged is
    missing, and the programs follow.
    """
    database = own_postgres(wal_level="replica", max_wal_senders=4, synchronous_commit="on")
    primary = database.server
    primary.stop()
    with open(primary.data / "pg_hba.conf", "a") as hba:
        hba.write("host replication all 127.0.0.1/32 trust\n")
    primary.start()
    database.db = primary.connect(database.name)
    standby = Standby(primary)
    try:
        database.db.execute("alter system set synchronous_standby_names = '*'")
        database.db.execute("select pg_reload_conf()")
        hosts = (
            f"host=127.0.0.1,127.0.0.1 port={primary.port},{standby.port} user=rollcall"
            f" dbname={database.name} target_session_attrs=read-write"
        )
        w = cluster(
            database=database,
            people=300,
            batch=20,
            conninfo=hosts,
            verify_options={"repeated_mails": "killed"},
        )
        w.begin()
        w.ask()
        w.wait_done(chance.randint(20, 700))
        database.db.close()
        primary.stop(signal.SIGQUIT)
        standby.promote()
        database.server = w.postgres = standby
        database.db = standby.connect(database.name)
        w.ask()
        w.finish(timeout=90)
    finally:
        database.db.close()
        standby.close()


class Standby(Postgres):
    """Follows `primary` by streaming replication."""

    def __init__(self, primary):
        self.primary = primary
        super().__init__(fsync=True)

    def _init(self):
        entry = __import__("pwd").getpwnam(self.owner) if self.owner else None
        if entry:
            os.chown(self.root, entry.pw_uid, entry.pw_gid)
        argv = [
            str(binaries() / "pg_basebackup"),
            "-h",
            "127.0.0.1",
            "-p",
            str(self.primary.port),
            "-U",
            "rollcall",
            "-D",
            str(self.data),
            "-R",
            "--checkpoint=fast",
        ]
        wrapper = (
            ["setpriv", "--reuid", self.owner, "--regid", self.owner, "--init-groups", "--"]
            if self.owner
            else []
        )
        subprocess.run(wrapper + argv, check=True, cwd="/", stdout=subprocess.DEVNULL)
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(
                f"port = {self.port}\nunix_socket_directories ="
                f" '{self.root}'\nsynchronous_standby_names = ''\n"
            )
        (self.data / "postgresql.auto.conf").write_text(
            "".join(
                line
                for line in (self.data / "postgresql.auto.conf").read_text().splitlines(True)
                if "synchronous_standby_names" not in line
            )
        )

    def promote(self):
        with self.connect() as db:
            db.execute("select pg_promote(true, 30)")

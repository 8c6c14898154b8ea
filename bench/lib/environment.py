# SPDX-License-Identifier: Apache-2.0
"""Servers, databases and services that are measured: real PostgreSQL with durable settings, the
embedded broker, a real Kafka node.
"""

import itertools
import os
import re
import socket
import subprocess
import tempfile
from pathlib import Path

from harness.kafka import Embedded, Kafka
from harness.paths import BUILD as BUILD_FOLDER
from harness.paths import REPO, program
from harness.postgres import Database, Postgres
from harness.process import Process

BENCH = REPO / "bench"
DRIVERS = Path(os.environ.get("BENCH_DRIVERS", "."))
# tasks per partition that stay below the embedded broker's in-flight limit (3 MiB, by the
# publisher's own estimate)
EMBEDDED_TASKS = 6000
RESULTS_PARTITIONS = 8
KAFKA_PARTITIONS = 8
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "none",
    "max_connections": "60",
}
PACKS = {"bench": BENCH / "packs/bench", "equipemed": REPO / "config/packs/equipemed"}
JOBS = {"bench": "expire", "equipemed": "check-expiration"}
TYPES = {"bench": "bench.expire", "equipemed": "equipemed.check-expiration"}
serial = itertools.count(1)


def durable(**settings):
    return Postgres(fsync=True, settings={**DURABLE, **settings})


def prepare(server, pack, people, due=None, name=None):
    """A database with people, Rollcall's tables and the pack's, as a template; returns its name."""
    name = name or f"template_{pack}_{people}_{due or people}"
    db = Database(server, name)
    if pack == "equipemed":
        db.execute((REPO / "config/demo/schema-equipemed.sql").read_text())
    sql = (
        (BENCH / f"sql/{pack}.sql")
        .read_text()
        .replace(":people", str(people))
        .replace(":due", str(due or people))
    )
    db.execute(sql)
    folder = Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp"))
    service = Service(folder, db, None, pack)
    service.rollcall("db", "apply")
    service.close()
    db.execute("delete from rollcall.service")  # copies are for services with other prefixes
    db.execute("vacuum (freeze, analyze)")
    db.execute("checkpoint")
    db.db.close()
    return name


class Copy(Database):
    """A fresh copy of a template, on disk before anything is measured."""

    def __init__(self, server, template):
        name = f"run_{next(serial)}"
        with server.connect() as db:
            db.execute(f'create database "{name}" template "{template}" strategy file_copy')
        self.server, self.name = server, name
        self.db = server.connect(name)
        self.db.execute("checkpoint")


def embedded_topic(broker, topic, partitions):
    """A topic with a partition count of its own: the broker's control port."""
    port = int(broker._value("control"))
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.sendall(f"{topic} {partitions}\n".encode())
        answer = s.recv(200).decode().strip()
    if answer != "created":
        raise RuntimeError(f"{topic}: {answer}")


class Service:
    """A configuration on a database and a broker, and the programs that run with it."""

    def __init__(
        self,
        folder,
        database,
        broker,
        pack,
        mail='transport = "maildir"; maildir = "mail";',
        worker="",
    ):
        self.folder, self.database, self.broker, self.pack = folder, database, broker, pack
        self.prefix = f"b{next(serial)}"
        self.mail, self.worker, self.partitions = mail, worker, KAFKA_PARTITIONS
        self.started = []
        self.write()

    @property
    def embedded(self):
        return hasattr(self.broker, "file")

    def write(self, lanes=("tasks",)):
        where = (
            'embedded = "none"'
            if not self.broker
            else (
                f'embedded = "{self.broker.file}"'
                if self.embedded
                else f'brokers = "{self.broker.bootstrap}"'
            )
        )
        names = ", ".join(f'"{lane}"' for lane in lanes)
        settings = (
            'settings = { admin_email = "admin@example.org"; }; jobs = ( { name ='
            ' "check-expiration"; max_subjects = -1; } );'
            if self.pack == "equipemed"
            else ""
        )
        (self.folder / "rollcall.cfg").write_text(f"""
database = {{ conninfo = "{self.database.conninfo}"; }};
kafka = {{ {where}; prefix = "{self.prefix}"; partitions = {self.partitions}; }};
worker = {{ lanes = [ {names} ]; {self.worker} }};
mail = {{ {self.mail} domain = "mail.example.org"; }};
reports = {{ folder = "reports"; }};
packs = ( {{ path = "{PACKS[self.pack]}"; {settings} }} );
""")
        return self.folder / "rollcall.cfg"

    def topics(self, tasks):
        """Topics for `tasks` tasks. The embedded broker gets so many partitions for tasks that
        its in-flight limit is never met, and somebody who is
        always done with the results: what is measured is not its smallness.
        """
        if not self.embedded:
            self.rollcall("topics", "apply")
            return
        self.partitions = max(KAFKA_PARTITIONS, -(-tasks // EMBEDDED_TASKS))
        for lane in ("tasks", "tasks.mail"):
            embedded_topic(self.broker, f"{self.prefix}.{lane}", self.partitions)
        embedded_topic(self.broker, f"{self.prefix}.results", RESULTS_PARTITIONS)
        self.database.execute(
            "insert into rollcall.position (cluster, topic, partition, next) select %s, %s, n,"
            " 1000000000000 from generate_series(0, %s) n",
            (self.broker.cluster, f"{self.prefix}.results", RESULTS_PARTITIONS - 1),
        )

    def rollcall(self, *args, ok=(0,)):
        done = subprocess.run(
            [program("rollcall"), "-c", str(self.folder / "rollcall.cfg"), *args],
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode not in ok:
            raise RuntimeError(f"rollcall {args}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def start(self, name, lanes=("tasks",)):
        self.write(lanes)
        p = Process(
            [program(f"rollcall-{name}"), "-c", self.folder / "rollcall.cfg"],
            self.folder / f"{name}.{len(self.started)}.log",
        )
        self.started.append(p)
        return p

    def ready(self, process):
        process.wait_until(lambda: 'msg="ready"' in process.text(), 60)

    def stop(self, process):
        if process in self.started:
            self.started.remove(process)
            process.stop(timeout=60)

    def close(self):
        for p in list(self.started):
            self.stop(p)
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)


def assigned(worker, lane="tasks"):
    """Partitions that a worker reports in a lane, in all its threads."""
    latest = {}
    for what, thread, count in re.findall(
        rf'msg="partitions (assigned|revoked)" lane={lane} thread=(\d+) count=(\d+)', worker.text()
    ):
        latest[thread] = int(count) if what == "assigned" else 0
    return sum(latest.values())


__all__ = [
    "BUILD_FOLDER",
    "Copy",
    "Database",
    "Embedded",
    "Kafka",
    "Process",
    "Service",
    "assigned",
    "durable",
    "prepare",
    "program",
]

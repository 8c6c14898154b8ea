# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL cluster in a temporary folder."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from .process import Process, free_port

USER = "rollcall"


def binaries():
    """The folder of the newest PostgreSQL that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    if not found:
        raise FileNotFoundError("/usr/lib/postgresql/*/bin: PostgreSQL is not installed")
    return found[-1]


class Postgres:
    """fsync=False trades durability for speed; settings: more of postgresql.conf. Listens on a
    unix socket and a loopback port, without passwords.
    """

    def __init__(self, fsync=False, settings=None):
        self.root = Path(
            tempfile.mkdtemp(prefix="rcpg-", dir="/tmp")
        )  # short: a socket's path has a limit
        self.data = self.root / "data"
        self.port = free_port()
        self.owner = "postgres" if os.geteuid() == 0 else None
        self.process = None
        self.settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.root,
            "max_connections": 100,
            "shared_buffers": "64MB",
            "max_prepared_transactions": 0,
            "timezone": "UTC",
            "log_timezone": "UTC",
            **(
                {}
                if fsync
                else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            ),
            **(settings or {}),
        }
        try:
            self._init()
            self.start()
        except BaseException:
            self.close()
            raise

    def _init(self):
        if self.owner:
            entry = pwd.getpwnam(self.owner)
            os.chown(self.root, entry.pw_uid, entry.pw_gid)
        argv = [
            str(binaries() / "initdb"),
            "-D",
            str(self.data),
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        if self.owner:
            argv = [
                "setpriv",
                "--reuid",
                self.owner,
                "--regid",
                self.owner,
                "--init-groups",
                "--",
            ] + argv
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd="/")
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in self.settings.items())

    def start(self):
        self.process = Process(
            [binaries() / "postgres", "-D", self.data],
            self.root / "log",
            user=self.owner,
            death_signal="INT",
            cwd="/",
        )
        self.process.wait_until(self._answers)

    def _answers(self):
        try:
            psycopg.connect(self.conninfo("postgres"), connect_timeout=2).close()
            return True
        except psycopg.OperationalError:
            return False

    def stop(self, number=signal.SIGINT):
        """SIGINT: a clean stop; SIGQUIT: as a crash."""
        if self.process:
            self.process.stop(number)
            self.process = None

    def restart(self, crash=False):
        self.stop(signal.SIGQUIT if crash else signal.SIGINT)
        self.start()

    def conninfo(self, database, tcp=False):
        return (
            f"host={'127.0.0.1' if tcp else self.root} port={self.port} user={USER}"
            f" dbname={database}"
        )

    def connect(self, database="postgres", **options):
        return psycopg.connect(self.conninfo(database), autocommit=True, **options)

    def create(self, name, template="template0"):
        with self.connect() as db:
            db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def drop(self, name):
        with self.connect() as db:
            db.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def close(self):
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)


class Database:
    """One database: `conninfo` for programs, `db` a connection in autocommit mode for the test."""

    def __init__(self, server, name, template="template0"):
        self.server, self.name = server, name
        server.create(name, template)
        self.db = server.connect(name)

    @property
    def conninfo(self):
        return self.server.conninfo(self.name)

    @property
    def conninfo_tcp(self):
        return self.server.conninfo(self.name, tcp=True)

    def connect(self, **options):
        return self.server.connect(self.name, **options)

    def execute(self, sql, parameters=None):
        return self.db.execute(sql, parameters)

    def rows(self, sql, parameters=None):
        return self.db.execute(sql, parameters).fetchall()

    def value(self, sql, parameters=None):
        row = self.db.execute(sql, parameters).fetchone()
        return row[0] if row else None

    def close(self):
        self.db.close()
        self.server.drop(self.name)

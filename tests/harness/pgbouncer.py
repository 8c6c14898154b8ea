# SPDX-License-Identifier: Apache-2.0
"""PgBouncer in front of a test's PostgreSQL."""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

import psycopg

from .process import Process, free_port


class PgBouncer:
    """`settings`: more of its [pgbouncer] section, such as pool_mode."""

    def __init__(self, postgres, **settings):
        self.root = Path(tempfile.mkdtemp(prefix="rcpb-", dir="/tmp"))
        self.port = free_port()
        owner = "postgres" if os.geteuid() == 0 else None  # it refuses to be root
        if owner:
            entry = pwd.getpwnam(owner)
            os.chown(self.root, entry.pw_uid, entry.pw_gid)
        lines = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": self.root,
            "auth_type": "any",
            "default_pool_size": 40,
            "max_client_conn": 200,
            **settings,
        }
        config = self.root / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host={postgres.root} port={postgres.port}"
            " user=rollcall\n[pgbouncer]\n" + "".join(f"{k} = {v}\n" for k, v in lines.items())
        )
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        self.process = Process([program, config], self.root / "log", user=owner, cwd="/")
        self.process.wait_until(lambda: self._answers())

    def _answers(self):
        try:
            psycopg.connect(self.conninfo("postgres"), connect_timeout=2).close()
            return True
        except psycopg.OperationalError:
            return False

    def conninfo(self, database):
        return f"host=127.0.0.1 port={self.port} user=rollcall dbname={database}"

    def close(self):
        self.process.stop()
        shutil.rmtree(self.root, ignore_errors=True)

# SPDX-License-Identifier: Apache-2.0
"""All of Rollcall on one database and one broker: the programs as an operator starts them, and
the operator's tool.
"""

import ctypes
import email
import email.policy
import json
import os
import pty
import signal
import subprocess
import time

from .paths import REPO, program
from .process import Process

CONFIG = """
database = {{ conninfo = "{conninfo}"; allow_data_loss = true; }};
kafka = {{ {kafka} prefix = "{prefix}"; partitions = 4; session_timeout = "{session}"; {more} }};
worker = {{ {worker} }};
scheduler = {{ tick = "100ms"; lease = "3s"; }};
retry = {{ attempts = 2; base = "100ms"; max = "100ms"; }};
mail = {{ {mail} }};
reports = {{ folder = "{reports}"; }};
packs = ( {packs} );
"""


# librdkafka 2.4 to 2.8 use memory that they have freed when a topic is re-created:
# docs/operating.md.
TOPICS_MADE_ANEW_CRASH = (
    0x020400FF <= ctypes.CDLL("librdkafka.so.1").rd_kafka_version() < 0x020A00FF
)


class System:
    """`packs`: folder -> more of its group in the configuration, such as 'settings = { webhook =
    true; };'. `sink`: a port to mail to, else a Maildir.
    `kafka`, `worker`: more of these groups.
    """

    def __init__(
        self,
        folder,
        database,
        broker,
        prefix,
        packs,
        tables=(),
        sink=None,
        workers=2,
        kafka="",
        worker="",
        session="6s",
    ):
        self.folder, self.database, self.prefix = folder, database, prefix
        self.bootstrap = broker.bootstrap
        self.maildir, self.reports = folder / "mail", folder / "reports"
        self.reports.mkdir()
        self.config = folder / "rollcall.cfg"
        where = (
            f'embedded = "{broker.file}";'
            if hasattr(broker, "file")
            else f'brokers = "{broker.bootstrap}";'
        )
        mail = (
            f'url = "smtp://127.0.0.1:{sink}"; tls = "none";'
            if sink
            else f'transport = "maildir"; maildir = "{self.maildir}";'
        )
        listed = ", ".join(f'{{ path = "{path}"; {more} }}' for path, more in packs.items())
        self.config.write_text(
            CONFIG.format(
                conninfo=database.conninfo,
                kafka=where,
                more=kafka,
                session=session,
                worker=worker,
                prefix=prefix,
                mail=mail,
                reports=self.reports,
                packs=listed,
            )
        )
        self.daemons = {}
        self.topic_recreated = False  # a topic was, while clients knew it
        try:
            for sql in tables:
                database.execute(sql)
            self.cli("db", "apply")
            self.cli("topics", "apply")
            self.start("aggregator")
            for i in range(1, workers + 1):
                self.start("worker", f"worker-{i}")
            self.start("scheduler")
        except BaseException:
            self.close()
            raise

    def start(self, kind, name=None):
        name = name or kind
        self.daemons[name] = Process(
            [program(f"rollcall-{kind}"), "-c", self.config], self.folder / f"{name}.log"
        )
        self.daemons[name].wait_until(lambda: 'msg="ready"' in self.daemons[name].text())
        return self.daemons[name]

    def cli(self, *args, ok=(0,), answer=None):
        """What it printed. `ok`: exit codes that are expected; `answer`: typed at a terminal's
        prompt.
        """
        keyboard, terminal = pty.openpty() if answer is not None else (None, subprocess.DEVNULL)
        if answer is not None:
            os.write(keyboard, f"{answer}\n".encode())
        done = subprocess.run(
            [program("rollcall"), *map(str, args)],
            env={**os.environ, "ROLLCALL_CONFIG": str(self.config)},
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if answer is not None:
            os.close(terminal)
            os.close(keyboard)
        assert done.returncode in ok, (
            f"rollcall {' '.join(map(str, args))}: exit"
            f" {done.returncode}\n{done.stdout}\n{done.stderr}{self.logs()}"
        )
        return done.stdout if done.returncode == 0 or done.stdout else done.stderr

    def run(self, job, *flags, ok=(0,)):
        """A run from request to close, as `runs show` has it."""
        self.cli("jobs", "run", job, "--wait", "--timeout", "60s", "--yes", *flags, ok=ok)
        return json.loads(self.cli("runs", "show", job, "--json", "--limit", 1000))

    def report(self, name, *flags):
        return json.loads(self.cli("report", name, *flags, "--format", "json"))

    def wait(self, what, ready, timeout=60):
        end = time.monotonic() + timeout
        while not (result := ready()):
            self.revive()
            assert time.monotonic() < end, f"{what}: not within {timeout} s{self.logs()}"
            time.sleep(0.05)
        return result

    def revive(self):
        """What a service manager does."""
        for name, daemon in list(self.daemons.items()):
            if (
                TOPICS_MADE_ANEW_CRASH
                and self.topic_recreated
                and not daemon.running()
                and daemon.child.returncode in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)
            ):
                self.start(name.partition("-")[0], name)

    def mails(self, **headers):
        """Messages in the Maildir whose headers contain what is given, such as to="ana@"."""
        found = []
        for path in sorted((self.maildir / "new").glob("*")) if self.maildir.exists() else []:
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if all(text in str(message[name]) for name, text in headers.items()):
                found.append(message)
        return found

    def logs(self):
        return "".join(f"\n--- {name}\n{d.text()[-2000:]}" for name, d in self.daemons.items())

    def close(self):
        for daemon in self.daemons.values():
            daemon.send_signal(15)
        for daemon in self.daemons.values():
            daemon.stop()


def demo_tables(pack):
    """The organisation's tables as the demo has them."""
    return (REPO / f"config/demo/schema-{pack}.sql").read_text()


def body(message, kind="plain"):
    return message.get_body((kind,)).get_content()

# SPDX-License-Identifier: Apache-2.0
"""All of Rollcall under faults: schedulers, workers and aggregators as processes, on real
PostgreSQL, Kafka and SMTP, with proxies in between.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import fastavro
import fault_pack
import verify
from confluent_kafka import Producer
from harness.kafka import Kafka
from harness.paths import BUILD, REPO, program
from harness.process import Process, free_port
from proxy import Proxy

CONFIG = """
database = {{ conninfo = "{conninfo}"; connect_timeout = "2s"; {password} }};
kafka = {{ {kafka}; prefix = "{prefix}"; partitions = {partitions}; session_timeout = "{session}";
    properties = [ {properties} ]; }};
worker = {{ threads = {threads}; lanes = [ {lanes} ]; batch_max = {batch};
    drain_timeout = "{drain}"; lock_timeout = "{lock}"; }};
retry = {{ attempts = 3; base = "300ms"; max = "1s"; pause_base = "500ms"; pause_max = "2s"; }};
scheduler = {{ tick = "100ms"; lease = "{lease}"; chunk = {chunk}; }};
mail = {{ {mail} domain = "club.test"; connect_timeout = "1s"; message_timeout = "3s";
    connections = 4; batch_max = 50; }};
reports = {{ folder = "{reports}"; }};
{more}
packs = ( {{ path = "{pack}"; {packed} }} );
"""

LANES = '"jobs", "tasks", "urgent", "mail"'
RSS_MAX_KIB = 96 * 1024
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


class Node(Kafka):
    """A Kafka node with further listeners, each behind a proxy of ours that stays."""

    def __init__(self, proxies=0, data=None):
        self.ports = [free_port() for _ in range(proxies)]
        self.data, self.proxies = data, []
        super().__init__()
        for port in self.ports:
            listener = int(self.process.wait_for_line(f"behind={port}:"))
            self.proxies.append(Proxy(listener, port))

    def start(self):
        log = self.root / f"broker.{len(list(self.root.glob('broker.*')))}"
        env = {
            "ROLLCALL_BUILD": str(BUILD),
            "ROLLCALL_KAFKA_BEHIND": " ".join(map(str, self.ports)),
            **({"ROLLCALL_KAFKA_DATA": str(self.data)} if self.data else {}),
        }
        self.process = Process(
            [REPO / "tests/kafka/broker", "--keep", self.root / "node"], log, env=env
        )
        self.bootstrap = self.process.wait_for_line("bootstrap=", timeout=180)

    def close(self):
        for p in self.proxies:
            p.close()
        super().close()


class MailSink:
    """tests/harness/mail_sink.py on a port that stays."""

    def __init__(self, folder, *options):
        self.folder, self.options, self.port = folder, options, free_port()
        self.started, self.process = 0, None
        self.start()

    def start(self, *options):
        self.started += 1
        # a sink numbers its files from 1: what an earlier one stored is moved to names of
        # its own, before the next one could write over it
        for path in sorted(self.folder.glob("0*.*")):
            path.rename(path.with_name(f"s{self.started}-{path.name}"))
        argv = [
            sys.executable,
            REPO / "tests/harness/mail_sink.py",
            self.folder,
            "--port",
            self.port,
            *(options or self.options),
        ]
        self.process = Process(argv, self.folder.parent / f"sink.{self.started}.out")
        self.process.wait_for_line("port ")

    def stop(self):
        if self.process:
            self.process.stop(signal.SIGKILL)
        self.process = None


def encode_task(
    task_id,
    type_name,
    subject,
    item="",
    run_id=None,
    at=NOON,
    dry_run=False,
    actor="cli:ana",
    arguments=None,
    schema=None,
    **more,
):
    mark, (_, parsed) = next((k, v) for k, v in verify.load_schemas().items() if v[0] == "task")
    if schema:
        mark = b"\xc3\x01" + bytes.fromhex(
            verify.fingerprint(verify.to_parsing_canonical_form(schema), "CRC-64-AVRO")
        )
        parsed = fastavro.parse_schema(schema)
    out = verify.io.BytesIO()
    out.write(mark)
    fastavro.schemaless_writer(
        out,
        parsed,
        {
            "task_id": task_id.bytes,
            "run_id": run_id.bytes if run_id else None,
            "type": type_name,
            "subject": subject,
            "item": item,
            "scheduled_at": at,
            "dry_run": dry_run,
            "actor": actor,
            "arguments": arguments or {},
            **more,
        },
    )
    return out.getvalue()


class Cluster:
    def __init__(
        self,
        folder,
        node,
        postgres,
        database,
        random,
        prefix,
        people=300,
        sink=(),
        jobs="",
        zone="America/Sao_Paulo",
        verify_options=None,
        triggers=True,
        services=(),
        **options,
    ):
        self.folder, self.node, self.postgres, self.database, self.random, self.prefix = (
            folder,
            node,
            postgres,
            database,
            random,
            prefix,
        )
        if services:
            limits = 'types = [ "club.grant", "club.bump" ]; rate = 100000; open_max = 100000;'
            options["more"] = (
                options.get("more", "")
                + "intake = ( "
                + ", ".join(f'{{ service = "{name}"; {limits} }}' for name in services)
                + " );"
            )
            options.setdefault("lanes", LANES + ', "intake"')
        self.options = {
            "partitions": 4,
            "session": "2s",
            "threads": 1,
            "batch": 50,
            "drain": "10s",
            "lock": "2s",
            "lease": "1s",
            "chunk": 100,
            "lanes": LANES,
            "properties": "",
            "more": "",
            "mail": "",
            "password": "",
            "conninfo": database.conninfo_tcp,
            "kafka": f'brokers = "{node.bootstrap}"',
            "packed": "",
            **options,
        }
        self.processes, self.adhoc, self._producer, self.runs_asked, self.base = [], 0, None, 0, 0
        self.logs_folder, self.services = folder / "logs", services
        self.verify_options = verify_options or {}
        for name in ("logs", "reports", "mails", "cfg"):
            (folder / name).mkdir()
        fault_pack.write(folder / "club", zone, jobs)
        self.sink = MailSink(folder / "mails", *sink)
        self.proxies = []
        self.postgres_proxy = self.proxy(postgres.port)
        self.smtp_proxy = self.proxy(self.sink.port)
        database.execute(fault_pack.TABLES + fault_pack.TRAPS)
        self.cli("db", "apply")
        if triggers:
            database.execute(fault_pack.TRIGGERS)
        self.cli("topics", "apply")
        self.people(people)

    def proxy(self, target, port=0):
        self.proxies.append(Proxy(target, port))
        return self.proxies[-1]

    def people(self, count, first=1):
        self.database.execute(
            "insert into person (id, email) select n, 'p' || n || '@example.org' from"
            " generate_series(%s::bigint, %s::bigint) n",
            (first, first + count - 1),
        )

    # ---- configuration: one file per process, so that each may have ways of its own

    def through(self, postgres=None, kafka=None, smtp=None):
        """Options for a process that reaches its servers through these proxies."""
        found = {}
        if postgres:
            found["conninfo"] = re.sub(
                r"port=\d+", f"port={postgres.port}", self.options["conninfo"]
            )
        if kafka:
            found["kafka"] = f'brokers = "127.0.0.1:{kafka.port}"'
        if smtp:
            found["smtp"] = smtp.port
        return found

    def config(self, name, **options):
        o = {**self.options, **options}
        mail = f'url = "smtp://127.0.0.1:{o.pop("smtp", self.sink.port)}"; ' + (
            o["mail"] or 'tls = "none";'
        )
        o.update(
            prefix=self.prefix,
            reports=o.get("reports", self.folder / "reports"),
            pack=self.folder / "club",
            mail=mail,
        )
        path = self.folder / "cfg" / f"{name}.cfg"
        text = CONFIG.format(**o)
        if not path.exists() or path.read_text() != text:  # others may be reading it
            path.write_text(text)
        return path

    def cli(self, *args, ok=(0,), **options):
        done = subprocess.run(
            [program("rollcall"), "-c", str(self.config("cli", **options)), *map(str, args)],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode in ok, (
            f"rollcall {args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    # ---- processes

    def start(self, kind, failpoints="", ready=True, env=None, wrapper=(), **options):
        name = f"{kind}-{sum(1 for p in self.processes if p.kind == kind) + 1}"
        env = {"ROLLCALL_FAILPOINTS": failpoints, **(env or {})}
        process = Process(
            [*wrapper, program(f"rollcall-{kind}"), "-c", self.config(name, **options)],
            self.logs_folder / f"{name}.log",
            env=env,
        )
        process.kind, process.name, process.expected = kind, name, bool(failpoints)
        self.processes.append(process)
        if ready:
            process.wait_until(
                lambda: 'msg="ready"' in process.text() or (failpoints and not process.running()),
                20,
            )
        return process

    def worker(self, failpoints="", **options):
        return self.start("worker", failpoints, **options)

    def begin(self, workers=2, **options):
        """A scheduler, an aggregator and workers."""
        self.start("aggregator", **options)
        self.start("scheduler", **options)
        return [self.worker(**options) for _ in range(workers)]

    def kill(self, process):
        process.expected = True
        process.kill()

    def stop(self, process, number=signal.SIGTERM, timeout=30):
        """The exit status; -9 when it had to be killed."""
        self.measure(process)
        process.expected = True
        return process.stop(number, timeout=timeout)

    def died(self, process, timeout=30):
        """Waits until a failpoint has ended it."""
        end = time.monotonic() + timeout
        while process.running():
            assert time.monotonic() < end, (
                f"{process.name} lives on: its failpoint was not passed{self.tail()}"
            )
            time.sleep(0.02)
        assert (
            "failpoint name=" in process.text() and process.child.returncode == -signal.SIGKILL
        ), self.tail()

    def measure(self, process):
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            return
        found = re.search(r"VmHWM:\s+(\d+)", status)
        if found:
            process.peak = int(found[1])

    # ---- work

    def ask(self, job="sweep", *options, at=None, **config):
        """A run that is requested; its id. Each has an instant of its own."""
        self.runs_asked += 1
        self.base = self.done()
        at = at or NOON + timedelta(minutes=self.runs_asked)
        said = self.cli(
            "jobs",
            "run",
            f"club.{job}",
            "--json",
            "--yes",
            "--at",
            at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            *options,
            **config,
        )
        return json.loads(said)["run_id"]

    @property
    def producer(self):
        if not self._producer:
            self._producer = Producer(
                {
                    "bootstrap.servers": self.node.bootstrap,
                    "linger.ms": 5,
                    "partitioner": "murmur2_random",
                    "enable.idempotence": True,
                    "log_level": 0,
                    "message.max.bytes": 1048588,
                }
            )
        return self._producer

    def topic(self, lane="tasks"):
        return (
            f"{self.prefix}.{lane}"
            if lane in ("jobs", "tasks", "results", "dead-letters")
            else f"{self.prefix}.tasks.{lane}"
        )

    def send(self, values, lane="tasks", partition=-1):
        """Pairs of key and value, on a topic."""
        failed = []
        for key, value in values:
            self.producer.produce(
                self.topic(lane),
                value,
                key,
                partition=partition,
                on_delivery=lambda e, m: failed.append(e) if e else None,
            )
            self.producer.poll(0)
        assert self.producer.flush(60) == 0 and not failed, failed[:3]

    def grants(self, count, people=300, lane="urgent"):
        """Ad-hoc tasks, each about an item of its own."""
        made = []
        for _ in range(count):
            self.adhoc += 1
            subject = str(self.random.randrange(1, people + 1))
            made.append(
                (
                    subject.encode(),
                    encode_task(
                        uuid.uuid4(),
                        "club.grant",
                        subject,
                        f"g{self.adhoc}",
                        arguments={"days": "3"},
                    ),
                )
            )
        self.send(made, lane)

    def bomb(self, codec, lane="tasks", messages=1, partition=0, size=12 * 1024 * 1024):
        """A batch of few bytes that opens to more than anybody takes."""
        producer = Producer(
            {
                "bootstrap.servers": self.node.bootstrap,
                "compression.type": codec,
                "linger.ms": 500,
                "message.max.bytes": 64 * 1024 * 1024,
                "batch.size": 64 * 1024 * 1024,
                "message.timeout.ms": 10000,
                "log_level": 0,
            }
        )
        for _ in range(messages):
            producer.produce(self.topic(lane), bytes(size // messages), b"k", partition=partition)
        return producer.flush(15) == 0

    def requests(self, count, people=300, item="r"):
        """Ad-hoc tasks that an operator requests, by a file; how many were new."""
        path = self.folder / f"requests.{item}.csv"
        path.write_text(
            "subject,item,days\n" + "".join(f"{n % people + 1},{item}{n},3\n" for n in range(count))
        )
        return json.loads(
            self.cli(
                "tasks", "submit", "--type", "club.grant", "--csv", path, "--json", "--yes"
            ).splitlines()[-1]
        )["submitted"]

    def ask_as(self, service, values):
        """What a service puts on its intake topic: pairs of key and value."""
        for key, value in values:
            self.producer.produce(f"{self.prefix}.intake.{service}", value, key)
        assert self.producer.flush(60) == 0

    def tail(self):
        return "".join(
            f"\n--- {p.name} {'' if p.running() else p.child.returncode}\n{p.text()[-900:]}"
            for p in self.processes
        )

    def wait(self, ready, timeout=60, what="it"):
        end = time.monotonic() + timeout
        while True:
            result = ready()
            if result:
                return result
            for p in self.processes:
                assert p.expected or p.running(), (
                    f"{p.name} ended with {p.child.returncode}{self.tail()}"
                )
            if time.monotonic() > end:
                self.stacks()
                raise AssertionError(
                    f"{what} did not come about in {timeout} s\n{self.unfinished()}{self.tail()}"
                )
            time.sleep(0.03)

    def stacks(self):
        """Where everybody stands, for whoever investigates what did not happen."""
        for p in self.processes if shutil.which("gdb") else ():
            if p.running():
                with open(self.folder / f"{p.name}.stacks", "w") as out:
                    subprocess.run(
                        ["gdb", "-p", str(p.pid), "-batch", "-ex", "thread apply all bt 12"],
                        stdout=out,
                        stderr=subprocess.DEVNULL,
                        timeout=60,
                    )

    def value(self, sql, parameters=None):
        return self.database.value(sql, parameters)

    def done(self):
        return self.value("select count(*) from rollcall.outcome_all where outcome >= 0")

    def wait_done(self, more, timeout=60):
        """Until so many more outcomes are in the ledger than at the latest ask or wait_done."""
        self.base += more
        self.wait(lambda: self.done() >= self.base, timeout, f"{more} more outcomes")

    def wait_log(self, process, pattern, timeout=30):
        return self.wait(
            lambda: re.search(pattern, process.text()),
            timeout,
            f"{process.name} saying {pattern!r}",
        )

    def unfinished(self):
        """What is still to be done, as text; empty when all is quiet."""
        found = []
        for run_no, job, state in self.database.rows(
            "select run_no, job, state from rollcall.run where rollcall.run_is_open(state) or"
            " notified_at is null"
        ):
            found.append(f"run {run_no} {job} {state}")
        pending = self.value("select count(*) from rollcall.outcome where outcome < 0")
        if pending:
            found.append(f"{pending} pending")
        found += [
            f"{n} in held: {state}"
            for state, n in self.database.rows(
                "select state, count(*) from rollcall.held where state not in ('quarantined',"
                " 'behind') and not (state = 'record' and due_at is null) group by 1"
            )
        ]
        found += [
            f"{name} is paused"
            for (name,) in self.database.rows(
                "select name from rollcall.paused_type join rollcall.task_type using (type_no)"
                " where published_again_at is null"
            )
        ]
        # published, and then each of its tasks: what lies on its lane is seen below
        found += [
            f"request {n} is not published"
            for (n,) in self.database.rows(
                "select request_no from rollcall.request where kind = 'tasks' and published_at is"
                " null"
            )
        ]
        if not found:
            consumer = self.watcher()
            rows = dict(
                ((t, p), n)
                for t, p, n in self.database.rows(
                    "select topic, partition, max(next) from rollcall.position group by 1, 2"
                )
            )
            topics = [
                self.topic(lane) for lane in ("jobs", "tasks", "urgent", "mail", "results")
            ] + [f"{self.prefix}.intake.{name}" for name in self.services]
            for topic in topics:
                for partition in consumer.list_topics(topic, 10).topics[topic].partitions:
                    low, high = consumer.get_watermark_offsets(
                        verify.TopicPartition(topic, partition), 10
                    )
                    if high and rows.get((topic, partition)) != high:
                        found.append(
                            f"{topic}/{partition} {rows.get((topic, partition))} of {high}"
                        )
            # the numbers of a partition continue when its topic is re-created, and so does what is
            # acknowledged of them: a row of the topic before stays as it was
            late = self.database.rows(
                "select topic, partition, max(published), max(greatest((select max(sequence) from"
                " rollcall.outcome o where o.source_no = p.source_no and outcome >= 0), (select"
                " max(sequence) from rollcall.dead_letter d where d.source_no = p.source_no),"
                " (select max(last_sequence) from rollcall.outcome_batch b where b.source_no ="
                " p.source_no))) as"
                " last from rollcall.position p group by 1, 2"
            )
            late = [r for r in late if r[3] is not None and r[2] < r[3]]
            found += [f"{r} not acknowledged" for r in late]
        return "\n".join(found[:20])

    def watcher(self):
        return verify.Consumer(
            {"bootstrap.servers": self.node.bootstrap, "group.id": "watcher", "log_level": 0}
        )

    def settle(self, timeout=60):
        """Waits until nothing is left to do; the seconds that took."""
        start = time.monotonic()
        self.wait(lambda: not self.unfinished(), timeout, "the end of all work")
        return time.monotonic() - start

    # ---- the end

    def stop_all(self):
        for p in self.processes:
            if p.running():
                self.measure(p)
                p.expected = True
                p.send_signal(signal.SIGTERM)
        for p in self.processes:
            if p.running():
                status = p.stop(timeout=20)
                assert status == 0, f"{p.name} left with {status}{self.tail()}"
        for p in self.processes:
            assert getattr(p, "peak", 0) < RSS_MAX_KIB, f"{p.name} had {p.peak} KiB resident"
        assert not self.leftovers(), self.leftovers()

    def leftovers(self):
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if (
                "rollcall-" in line
                and str(self.folder) in line
                and int(path.parent.name) != os.getpid()
            ):
                found.append(line)
        return found

    def finish(self, timeout=60, **options):
        """Waits for the end of all work, stops everything, and has it verified."""
        for p in self.proxies:
            p.heal()
        took = self.settle(timeout)
        self.stop_all()
        return self.check(took, **options)

    def check(self, took=0.0, **options):
        state = verify.State(
            self.database.conninfo_tcp,
            self.node.bootstrap,
            self.prefix,
            self.folder / "mails",
            self.logs_folder,
            services=self.services,
        )
        report = verify.Verify(state, **{**self.verify_options, **options}).run()
        report.numbers["settled_in"] = f"{took:.1f}s"
        print(report.text())
        assert not report.violations, report.text()
        return report

    def close(self):
        for p in self.processes:
            if p.running():
                p.kill()
        self.sink.stop()
        for p in self.proxies:
            p.close()

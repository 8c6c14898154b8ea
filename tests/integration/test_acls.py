# SPDX-License-Identifier: Apache-2.0
"""Who may do what on Kafka: docker/kafka/acls.sh on a node with an authorizer, whose clients
show certificates. Each right, each missing right; and the
programs, with these rights and no others.
"""

import json
import os
import subprocess
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from harness.kafka import Kafka
from harness.paths import BUILD, REPO, program
from harness.process import Process
from scheduler_service import Schedulers
from worker_pack import adhoc

PREFIX = "rights"
SCRIPT = REPO / "docker/kafka/acls.sh"
LANES = ["jobs", "tasks", "tasks.urgent", "tasks.mail"]
INTAKES = ["intake.hr-portal", "intake.other"]
TOPICS = LANES + ["results", "dead-letters"] + INTAKES
WHO = [
    "rollcall-scheduler",
    "rollcall-worker",
    "rollcall-aggregator",
    "rollcall-operator",
    "rollcall-reader",
    "hr-portal",
    "other",
    "stranger",
]
WRITES = {
    "rollcall-scheduler": LANES,
    "rollcall-worker": LANES + ["results", "dead-letters"],
    "rollcall-aggregator": ["dead-letters"],
    "hr-portal": ["intake.hr-portal"],
    "other": ["intake.other"],
}
READS = {
    "rollcall-worker": LANES + INTAKES,
    "rollcall-aggregator": ["results"],
    "rollcall-operator": TOPICS,
    "rollcall-reader": ["results", "dead-letters"],
}
GROUPS = {
    "rollcall-worker": [f"{PREFIX}.worker.tasks", f"{PREFIX}.worker.intake"],
    "rollcall-aggregator": [f"{PREFIX}.aggregator"],
    "rollcall-operator": ["rollcall-cli-1"],
    "rollcall-reader": ["rollcall-cli-1", f"{PREFIX}.reader.dashboard"],
}


def jars(*what):
    return subprocess.run(
        [REPO / "tests/kafka/resolve", *what],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "ROLLCALL_BUILD": str(BUILD)},
    ).stdout.strip()


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


def certificates(folder):
    """An authority, the node's key and certificate, and those of each principal."""
    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        2,
        "-subj",
        "/CN=authority",
        "-keyout",
        folder / "ca.key",
        "-out",
        folder / "ca.pem",
    )
    for name in ["server"] + WHO:
        (folder / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            f"/CN={name}",
            "-keyout",
            folder / f"{name}.key",
            "-out",
            folder / f"{name}.csr",
        )
        openssl(
            "x509",
            "-req",
            "-in",
            folder / f"{name}.csr",
            "-CA",
            folder / "ca.pem",
            "-CAkey",
            folder / "ca.key",
            "-CAcreateserial",
            "-days",
            2,
            "-extfile",
            folder / "ext",
            "-out",
            folder / f"{name}.crt",
        )
        os.chmod(folder / f"{name}.key", 0o600)
    (folder / "server.pem").write_text(
        (folder / "server.key").read_text() + (folder / "server.crt").read_text()
    )


class Node:
    """The broker, and clients of it by principal."""

    def __init__(self, folder):
        self.folder = folder
        certificates(folder)
        self.kafka = Kafka(tls=folder)

    def properties(self, who):
        return {
            "security.protocol": "ssl",
            "ssl.ca.location": str(self.folder / "ca.pem"),
            "ssl.certificate.location": str(self.folder / f"{who}.crt"),
            "ssl.key.location": str(self.folder / f"{who}.key"),
        }

    def options(self, who, **more):
        return {
            "bootstrap.servers": self.kafka.tls_bootstrap,
            "log_level": 0,
            **self.properties(who),
            **more,
        }

    def acls(self, *args, check=True):
        tool = (
            f"java -Xmx128m -XX:TieredStopAtLevel=1 -cp {jars()}/*:{jars('tools')}/*"
            " org.apache.kafka.tools.AclCommand"
        )
        done = subprocess.run(
            [SCRIPT, "--bootstrap-server", self.kafka.bootstrap, *args],
            capture_output=True,
            text=True,
            env={**os.environ, "KAFKA_ACLS": tool},
            timeout=300,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    n = Node(tmp_path_factory.mktemp("tls"))
    try:
        for t in TOPICS:
            n.kafka.create(f"{PREFIX}.{t}", 2)
        shown = n.acls(
            "--prefix", PREFIX, "--service", "hr-portal", "--service", "other", "--dry-run"
        ).stdout
        assert "User:hr-portal: Write Describe on topic rights.intake.hr-portal (literal)" in shown
        said = n.acls("--prefix", PREFIX, "--service", "hr-portal", "--service", "other").stdout
        assert [
            line for line in shown.splitlines() if not line.startswith("  ")
        ] == said.splitlines()
        yield n
    finally:
        n.kafka.close()


# ---- one right after the other ----
def writable(node, who):
    outcome = {}
    producer = Producer(node.options(who, **{"message.timeout.ms": 20000}))
    for t in TOPICS:

        def told(error, message, t=t):
            outcome[t] = error.code() if error else None

        producer.produce(f"{PREFIX}.{t}", b"x", on_delivery=told)
    assert producer.flush(60) == 0
    assert set(outcome.values()) <= {None, KafkaError.TOPIC_AUTHORIZATION_FAILED}, outcome
    return {t for t in TOPICS if outcome[t] is None}


def readable(node, who, expected):
    """The topics that give what stands in them, within a few seconds after those that were
    expected have.
    """
    found = set()
    consumer = Consumer(
        node.options(
            who,
            **{"group.id": "another", "enable.auto.commit": False, "enable.partition.eof": True},
        )
    )
    consumer.assign([TopicPartition(f"{PREFIX}.{t}", p, 0) for t in TOPICS for p in (0, 1)])
    end, later = time.monotonic() + 60, 4
    while time.monotonic() < end:
        if later and expected <= found:
            end, later = time.monotonic() + later, None
        m = consumer.poll(0.5)
        if m and (not m.error() or m.error().code() == KafkaError._PARTITION_EOF):
            found.add(m.topic()[len(PREFIX) + 1 :])
    consumer.close()
    return found


def joinable(node, who):
    """Of one's own groups, and two of others: librdkafka keeps looking for a coordinator that
    it does not learn.
    """
    others = [
        g
        for g in (f"{PREFIX}.worker.tasks", f"{PREFIX}.aggregator", "another")
        if g not in GROUPS.get(who, [])
    ][:2]
    found = set()
    for group in GROUPS.get(who, []) + others:
        consumer = Consumer(node.options(who, **{"group.id": group}))
        end, code = time.monotonic() + (3 if group in others else 30), KafkaError.NOT_COORDINATOR
        while (
            code == KafkaError.NOT_COORDINATOR and time.monotonic() < end
        ):  # of a group that was just made
            try:
                consumer.committed(
                    [TopicPartition(f"{PREFIX}.tasks", 0)], timeout=end - time.monotonic()
                )
                code = None
            except KafkaException as e:
                code = e.args[0].code()
        if code in (None, KafkaError.TOPIC_AUTHORIZATION_FAILED):
            found.add(group)
        else:
            assert code in (KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError._TIMED_OUT), code
        consumer.close()
    return found


@pytest.mark.parametrize("who", WHO)
def test_each_right_and_each_missing_right(node, who):
    assert writable(node, who) == set(WRITES.get(who, []))
    assert readable(node, who, set(READS.get(who, []))) == set(READS.get(who, []))
    assert joinable(node, who) == set(GROUPS.get(who, []))


def refused(future):
    try:
        future.result(30)
        return False
    except KafkaException as e:
        assert e.args[0].code() in (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.CLUSTER_AUTHORIZATION_FAILED,
            KafkaError._NOENT,
        ), e
        return True


@pytest.mark.parametrize("who", WHO)
def test_only_the_operator_changes_topics_and_nobody_deletes(node, who):
    admin = AdminClient(node.options(who))
    name = f"{PREFIX}.tasks"
    assert refused(admin.create_topics([NewTopic("strange", 1, 1)])["strange"])
    assert refused(admin.delete_topics([name])[name])
    assert refused(list(admin.delete_records([TopicPartition(name, 0, 0)]).values())[0])
    grown = admin.create_partitions([NewPartitions(name, 2 if who != "rollcall-operator" else 3)])[
        name
    ]
    assert refused(grown) == (who != "rollcall-operator")


def test_bad_usage(node):
    for args, said in (
        (["--service", "HR"], "expected NAME"),
        (["--reader", "User:*"], "everybody"),
        (["--topic", "x=y"], "no --service x"),
        (["--worker", "w"], "no principal"),
        (["--colour", "x"], "unknown option"),
        (["--prefix"], "wants a value"),
    ):
        done = node.acls(*args, check=False)
        assert done.returncode == 2 and said in done.stderr and not done.stdout


# ---- all of it ----
INTAKE = (
    'intake = ( { service = "hr-portal"; types = [ "club.grant" ]; }, { service = "other"; types ='
    ' [ "club.bump" ]; } );'
)


class Whole(Schedulers):
    """Each program with its own certificate."""

    def __init__(self, node, *args, **options):
        self.node = node
        super().__init__(node.kafka, *args, more=INTAKE, **options)

    def program(self, name, who):
        self.write()
        config = self.folder / f"{who}.cfg"
        pairs = ", ".join(f'"{k}={v}"' for k, v in self.node.properties(who).items())
        text = self.config.read_text().replace(
            f'brokers = "{self.node.kafka.bootstrap}";',
            f'brokers = "{self.node.kafka.tls_bootstrap}"; properties = [ {pairs} ];',
        )
        assert self.node.kafka.tls_bootstrap in text
        config.write_text(text)
        return [program(name), "-c", str(config)]

    def begin(self, name, who, ready=True):
        p = Process(self.program(name, who), self.folder / f"{who}.{len(self.started)}")
        p.stopped = False
        self.started.append(p)
        if ready:
            p.wait_until(lambda: 'msg="ready"' in p.text())
        return p


def test_the_programs_work_with_these_rights(node, database, tmp_path, unique):
    """Topics are made by the operator; a run, a service's request and its answers go all the
    way; nobody is refused anything.
    """
    service = Whole(
        node,
        database,
        tmp_path,
        unique("whole"),
        people=300,
        lanes='[ "jobs", "tasks", "urgent", "mail", "intake" ]',
    )
    try:
        admin = AdminClient({"bootstrap.servers": node.kafka.bootstrap})
        names = [f"{service.prefix}.{t}" for t in TOPICS]
        for future in admin.delete_topics(names).values():
            future.result(30)  # the service made them with every right
        service.wait(lambda: not set(names) & set(admin.list_topics(timeout=20).topics))
        node.acls("--prefix", service.prefix, "--service", "hr-portal", "--service", "other")
        done = subprocess.run(
            service.program("rollcall", "rollcall-operator") + ["topics", "apply"],
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr
        service.begin("rollcall-scheduler", "rollcall-scheduler")
        service.begin("rollcall-worker", "rollcall-worker")
        service.begin("rollcall-aggregator", "rollcall-aggregator")
        run = json.loads(
            subprocess.run(
                service.program("rollcall", "rollcall-operator")
                + ["jobs", "run", "club.sure", "--json", "--yes"],
                capture_output=True,
                text=True,
                timeout=90,
                check=True,
            ).stdout
        )["run_id"]
        good, bad = adhoc("club.grant", 5, days="7"), adhoc("club.bump", 6)
        portal = Producer(node.options("hr-portal"))
        for task in (good, bad):
            portal.produce(f"{service.prefix}.intake.hr-portal", task.bytes, task.subject)
        assert portal.flush(30) == 0
        service.until(run, "succeeded", timeout=120)
        service.wait(
            lambda: (
                {
                    r[0]: r[1]
                    for r in database.rows("select task_id, outcome from rollcall.outcome_adhoc")
                }.items()
                >= {good.id: 0, bad.id: 2}.items()
            ),
            60,
        )
        assert (
            database.value(
                "select actor from rollcall.outcome_adhoc where task_id = %s", (good.id,)
            )
            == "hr-portal"
        )
        total = database.value("select count(*) from rollcall.outcome_all where outcome >= 0")
        service.wait(
            lambda: (
                database.value(
                    "select sum(applied + skipped + failed + quarantined + unknown) from"
                    " rollcall.run_total"
                )
                == total
            ),
            60,
        )
        shown = subprocess.run(
            service.program("rollcall", "rollcall-reader") + ["results", "tail", "--json"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (
            shown.returncode == 0 and str(good.id) in shown.stdout and str(bad.id) in shown.stdout
        )
        check = subprocess.run(
            service.program("rollcall", "rollcall-operator") + ["topics", "repair", "--dry-run"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert check.returncode == 0, check.stderr
        text = "".join(p.text() for p in service.started)
        assert (
            "AUTHORIZATION" not in text
            and "not authorized" not in text
            and "level=error" not in text
        ), text[-3000:]
    finally:
        service.close()

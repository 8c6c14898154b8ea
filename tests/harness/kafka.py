# SPDX-License-Identifier: Apache-2.0
"""Brokers: a real Apache Kafka node, and our embedded one."""

import shutil
import signal
import tempfile
import time
from pathlib import Path

from .paths import BUILD, REPO, program
from .process import Process


class Kafka:
    """One KRaft node on free loopback ports (tests/kafka/broker), with topics made by `create`."""

    def __init__(self, tls=None):
        self.root = Path(tempfile.mkdtemp(prefix="rckafka-", dir="/tmp"))
        self.process = None
        self.bootstrap = self.tls_bootstrap = None
        self.env = {"ROLLCALL_KAFKA_TLS": str(tls)} if tls else {}
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        log = self.root / f"broker.{len(list(self.root.glob('broker.*')))}"
        self.process = Process(
            [REPO / "tests/kafka/broker", "--keep", self.root / "node"],
            log,
            env={"ROLLCALL_BUILD": str(BUILD), **self.env},
        )
        self.bootstrap = self.process.wait_for_line(
            "bootstrap=", timeout=180
        )  # the first time, its jars are fetched
        if self.env:
            self.tls_bootstrap = self.process.wait_for_line("tls=")

    def stop(self):
        if self.process:
            self.process.stop(timeout=30)
            self.process = None

    def restart(self, crash=False):
        """Same ports, same messages. crash: SIGKILL for the node and what started it."""
        if crash:
            self.process.kill()
        self.stop()
        self.start()

    @property
    def options(self):
        """For programs of ours that take -b or -e."""
        return ["-b", self.bootstrap]

    def create(self, topic, partitions=1, **config):
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        new = NewTopic(
            topic, partitions, 1, config={k.replace("_", "."): str(v) for k, v in config.items()}
        )
        admin.create_topics([new])[topic].result(30)

    def configure(self, topic, **config):
        from confluent_kafka.admin import AdminClient, ConfigResource

        resource = ConfigResource(
            "topic", topic, {k.replace("_", "."): str(v) for k, v in config.items()}
        )
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.alter_configs([resource])[resource].result(30)

    def delete(self, topic):
        from confluent_kafka.admin import AdminClient

        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.delete_topics([topic])[topic].result(30)

    def recreate(self, topic, partitions, timeout=30):
        """Deletes the topic, and creates it as soon as the deletion is complete."""
        self.delete(topic)
        end = time.monotonic() + timeout
        while True:
            try:
                return self.create(topic, partitions)
            except Exception:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def wait_without_members(self, group, timeout=60):
        """Until the sessions of the consumer group's members have ended."""
        from confluent_kafka.admin import AdminClient

        admin, end = AdminClient({"bootstrap.servers": self.bootstrap}), time.monotonic() + timeout
        while admin.describe_consumer_groups([group])[group].result(30).members:
            assert time.monotonic() < end, f"{group} has members after {timeout} s"
            time.sleep(0.1)

    def delete_records(self, topic, partition, before):
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import AdminClient

        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for future in admin.delete_records([TopicPartition(topic, partition, before)]).values():
            future.result(30)

    def close(self):
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)


class Embedded:
    """rollcall-broker: `file` is what programs of ours are given, `bootstrap` what others are."""

    def __init__(self, partitions=4):
        self.root = Path(tempfile.mkdtemp(prefix="rcemb-", dir="/tmp"))
        self.file = self.root / "broker"
        self.partitions = partitions
        self.process = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.process = Process(
            [program("rollcall-broker"), "--file", self.file, "--partitions", self.partitions],
            self.root / "log",
        )
        self.process.wait_until(self.file.exists)

    def _value(self, name):
        return dict(line.split("=", 1) for line in self.file.read_text().splitlines())[name]

    @property
    def bootstrap(self):
        return self._value("bootstrap")

    @property
    def cluster(self):
        return self._value("cluster")

    @property
    def options(self):
        return ["-e", str(self.file)]

    def stop(self, number=signal.SIGTERM):
        if self.process:
            status = self.process.stop(number)
            text, self.process = self.process.text(), None
            assert status in (0, -signal.SIGKILL), text

    def restart(self, crash=False):
        """All messages are lost, and the port is another one."""
        self.stop(signal.SIGKILL if crash else signal.SIGTERM)
        self.file.unlink(missing_ok=True)
        self.start()

    def close(self):
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

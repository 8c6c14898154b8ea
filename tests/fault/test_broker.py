# SPDX-License-Identifier: Apache-2.0
"""Rows 9 to 13 and 29 of docs/reliability.md: the broker is unavailable, and topics change under
everybody.
"""

import signal
import socket
import subprocess
import threading
import time
import uuid
from collections import defaultdict

import pytest
from cluster import encode_task
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from harness.paths import program


# ---- 9, 10: the broker ----
@pytest.mark.parametrize("how", ["restart", "crash", "away"])
def test_row_09_broker_unavailable(cluster, kafka, chance, how, long):
    w = cluster(people=500, batch=20, verify_options={"repeated_mails": "killed"})
    w.begin()
    w.ask()
    w.wait_done(chance.randint(10, 1500))
    if how == "away":
        kafka.stop()
        time.sleep(60 if long else 10)
        kafka.start()
    else:
        kafka.restart(crash=how == "crash")
    w.grants(20)
    w.ask()
    r = w.finish(timeout=120)
    assert float(r.numbers["settled_in"][:-1]) < 60


class Moving:
    """tests/fault/moving_broker.c: three mock brokers whose groups and partitions can be moved."""

    def __init__(self, folder):
        self.file, self.lock = folder / "moving", threading.Lock()
        self.control = socket.create_server(("127.0.0.1", 0))
        self.child = subprocess.Popen(
            [
                "setpriv",
                "--pdeathsig",
                "TERM",
                program("moving_broker"),
                str(self.file),
                str(self.control.getsockname()[1]),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            stderr=subprocess.DEVNULL,
        )
        assert self.child.stdout.readline().strip() == "ready"
        self.bootstrap = dict(line.split("=", 1) for line in self.file.read_text().splitlines())[
            "bootstrap"
        ]
        threading.Thread(target=self.serve, daemon=True).start()

    def say(self, line):
        with self.lock:
            self.child.stdin.write(line + "\n")
            self.child.stdin.flush()
            return self.child.stdout.readline().strip()

    def serve(self):
        """The embedded broker's control port: "TOPIC PARTITIONS"."""
        while True:
            try:
                client = self.control.accept()[0]
            except OSError:
                return
            with client:
                topic, partitions = client.recv(512).decode().split()
                made = self.say(f"topic {topic} {int(partitions) or 4}") == "NO_ERROR"
                client.sendall(b"created\n" if made else b"exists\n")

    def close(self):
        self.control.shutdown(socket.SHUT_RDWR)
        self.control.close()
        self.child.stdin.close()
        self.child.wait(10)
        self.child.stdout.close()


def test_row_10_coordinator_and_leaders_move(cluster, chance, tmp_path):
    node = Moving(tmp_path)
    try:
        w = cluster(node=node, people=300, batch=20, kafka=f'embedded = "{node.file}"')
        w.begin()
        w.ask()
        for n in range(8):
            w.wait_done(60)
            group = chance.choice(
                [f"{w.prefix}.worker.{lane}" for lane in ("tasks", "urgent", "mail")]
                + [f"{w.prefix}.aggregator"]
            )
            assert node.say(f"coordinator {group} {chance.randint(1, 3)}") == "NO_ERROR"
            assert (
                node.say(
                    f"leader {w.topic(chance.choice(['tasks', 'mail', 'results']))}"
                    f" {chance.randrange(4)} {chance.randint(1, 3)}"
                )
                == "NO_ERROR"
            )
            if n % 3 == 0:
                w.ask()
        w.finish(timeout=120)
    finally:
        node.close()


# ---- 11, 12, 13: topics that change ----
def repair_topics(w):
    """What docs/operating.md tells an operator to do."""
    assert "were repaired" in w.cli("topics", "repair", "--yes")


@pytest.mark.parametrize("reader", ["stopped", "frozen"])
def test_row_11_topic_re_created(cluster, kafka, reader):
    """The lane's topic is deleted and re-created with other tasks in it: said as an error;
    nothing is passed over in silence. Also when it is longer than the
    one before when its reader, who was frozen meanwhile, reads on.
    """
    w = cluster(
        people=200, session="30s" if reader == "frozen" else "2s", verify_options={"gone": True}
    )
    w.begin(workers=1)
    w.ask("bumping")
    w.settle()
    worker = w.processes[-1]
    if reader == "frozen":
        worker.send_signal(signal.SIGSTOP)
    else:
        assert w.stop(worker) == 0
    w.ask("bumping")
    w.wait(lambda: w.value("select count(*) from rollcall.run where state = 'published'") == 1)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.delete_topics([w.topic()])[w.topic()].result(30)

    def make():
        try:
            kafka.create(w.topic(), 4)
            return True
        except Exception:  # still being deleted
            return False

    w.wait(make)
    w._producer = None
    if reader == "frozen":
        w.grants(2000, people=200, lane="tasks")
        worker.send_signal(signal.SIGCONT)
    else:
        worker = w.worker()
    w.wait_log(worker, "level=error .*run: rollcall topics repair")
    repair_topics(w)
    w.finish(timeout=90)


def test_row_12_partitions_added_while_running(cluster):
    """A topic grows while everybody runs, the lanes being empty as docs/operating.md asks: the
    new partitions are assigned, each person's order holds.
    """
    w = cluster(
        people=100, partitions=2, batch=20, properties='"topic.metadata.refresh.interval.ms=3000"'
    )
    w.begin()
    w.ask("bumping")
    w.settle()
    w.cli("topics", "apply", partitions=6)
    w.wait(lambda: len(w.watcher().list_topics(w.topic(), 10).topics[w.topic()].partitions) == 6)
    w._producer = None
    tasks = []
    for k in range(20):
        for n in range(1, 101):
            w.adhoc += 1
            tasks.append(
                (str(n).encode(), encode_task(uuid.uuid4(), "club.grant", str(n), f"{k:03}"))
            )
    w.send(tasks, "urgent")
    w.ask()
    w.wait(
        lambda: (
            w.value("select count(*) from rollcall.position where topic = %s", (w.topic("urgent"),))
            == 6
        ),
        120,
        "six partitions being owned",
    )
    w.finish(timeout=90)
    seen = defaultdict(list)
    for subject, item in w.database.rows(
        "select subject, item from trace where type = 'club.grant' order by n"
    ):
        seen[subject].append(item)
    assert len(seen) == 100 and all(
        items == sorted(items) and len(items) == 20 for items in seen.values()
    )


def test_row_13_position_below_the_log_start(cluster, kafka):
    """Retention deleted what had not been taken: said with both numbers, waited for; once the
    operator has decided, the open run is published again.
    """
    w = cluster(people=400, verify_options={"gone": True})
    w.start("aggregator")
    w.start("scheduler")
    w.ask("bumping")
    w.wait(lambda: w.value("select count(*) from rollcall.run where state = 'published'") == 1)
    deleted = {p: 30 + 5 * p for p in range(4)}
    for partition, before in deleted.items():
        kafka.delete_records(w.topic(), partition, before)
    worker = w.worker()
    w.wait_log(
        worker,
        r"level=error .*begins at offset [34]\d, after the stored offset 0: .*run: rollcall topics"
        r" repair",
    )
    repair_topics(w)
    w.finish(timeout=90)


# ---- 29: a topic that takes nothing ----
def results_take(w, size):
    resource = ConfigResource(
        ResourceType.TOPIC,
        w.topic("results"),
        incremental_configs=[
            ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
        ],
    )
    admin = AdminClient({"bootstrap.servers": w.node.bootstrap})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


@pytest.mark.parametrize("latency", [0, 0.05], ids=["near", "far"])
def test_row_29_audit_topic_unavailable(cluster, kafka, latency):
    """The results topic takes nothing: deletions stop after the few batches that may wait for
    their acknowledgement, however late the refusal comes; nothing is lost when it is back.
    """
    w = cluster(people=3000, batch=20)
    w.database.execute("update person set leaving = true, approved = id % 3 > 0")
    results_take(w, 20)
    kafka.proxies[1].latency = latency
    w.begin(**w.through(kafka=kafka.proxies[1]))
    w.ask("purging")
    w.wait(lambda: w.value("select count(*) from deleted") > 0)
    seen = [w.value("select count(*) from deleted")]
    for _ in range(5):
        time.sleep(2)
        seen.append(w.value("select count(*) from deleted"))
    print(f"deleted without their audit events, every two seconds: {seen}")
    assert (
        w.value(
            "select coalesce(max(published), 0) from rollcall.position where topic = %s",
            (w.topic(),),
        )
        == 0
    )
    results_take(w, 1048588)
    w.finish(timeout=120)
    assert w.value("select count(*) from deleted") == 2000
    assert seen[-1] == seen[-2] <= 2 * 9 * 20, (
        seen
    )  # two workers, eight batches that wait and one in hand

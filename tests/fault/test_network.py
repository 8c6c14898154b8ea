# SPDX-License-Identifier: Apache-2.0
"""Rows 17 and 18 of docs/reliability.md: networks that are cut, slow, half-open, or lose
packets.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from proxy import Proxy

JOIN_GROUP = 11  # Kafka's number of that request


# ---- 17, 18: networks ----
@pytest.mark.parametrize(
    "cut, directions",
    [
        ("kafka", ("up", "down")),
        ("kafka", ("down",)),
        ("kafka", ("up",)),
        ("postgres", ("up", "down")),
        ("postgres", ("down",)),
        ("both", ("up", "down")),
    ],
)
def test_row_17_cut_off(cluster, kafka, chance, cut, directions, long):
    """One worker of two is cut off from Kafka, from PostgreSQL, or from both, one way or both
    ways, for longer than its session.
    """
    w = cluster(people=300, batch=20, verify_options={"repeated_mails": "killed"})
    w.start("aggregator")
    w.start("scheduler")
    broken = [
        p
        for name, p in (("kafka", kafka.proxies[0]), ("postgres", w.postgres_proxy))
        if cut in (name, "both")
    ]
    cut_off = w.worker(**w.through(kafka=kafka.proxies[0], postgres=w.postgres_proxy))
    w.worker()
    w.ask()
    w.wait_done(chance.randint(10, 700))
    for p in broken:
        p.black_hole(*directions)
    w.ask()
    time.sleep(120 if long else 6)
    done = w.done()
    for p in broken:
        p.heal()
    w.ask()
    r = w.finish(timeout=90)
    print(f"{done} outcomes while it was cut off, {r.numbers['repeated_events']} events repeated")
    assert cut_off.child.returncode == 0


@pytest.mark.parametrize("link", ["postgres", "kafka", "smtp"])
def test_row_18_slow_link_in_single_bytes(cluster, kafka, link):
    w = cluster(people=40)
    proxy = {"postgres": w.postgres_proxy, "kafka": kafka.proxies[1], "smtp": w.smtp_proxy}[link]
    proxy.slice = 1
    w.begin(workers=1, **w.through(**{link: proxy}))
    w.ask()
    w.wait_done(20, 60)
    proxy.slice, proxy.latency = 2000 if link == "kafka" else 200, 0.005
    w.ask()
    w.finish(timeout=120)


@pytest.mark.parametrize("link", ["kafka", "smtp"])
def test_row_18_half_open(cluster, kafka, chance, link):
    """The other side is gone without notice: a time limit notices. (PostgreSQL's case needs a
    network that loses packets: see the next one.)
    """
    w = cluster(
        people=200,
        batch=20,
        properties='"socket.timeout.ms=3000"',
        verify_options={"repeated_mails": "killed"},
    )
    proxy = {"kafka": kafka.proxies[1], "smtp": w.smtp_proxy}[link]
    w.begin(workers=1, **w.through(**{link: proxy}))
    for _ in range(3):
        w.ask()
        w.wait_done(chance.randint(10, 300))
        proxy.abandon()
    start = time.monotonic()
    w.settle(90)
    print(f"noticed and repaired within {time.monotonic() - start:.1f} s")
    w.finish()


def test_row_18_half_open_while_joining_the_group(cluster, kafka):
    """The answer to JoinGroup may take as long as max.poll.interval.ms: a coordinator that is
    gone without notice by then must not cost minutes.
    """
    w = cluster(people=200, batch=20)
    proxy = kafka.proxies[1]
    w.start("aggregator")
    w.start("scheduler")
    proxy.abandon_at(JOIN_GROUP)
    w.worker(lanes='"jobs"')
    w.worker(lanes='"tasks"', **w.through(kafka=proxy))
    w.wait(lambda: proxy.unanswered, 20, "a request to join")
    start = time.monotonic()
    w.ask("bumping")
    w.settle(60)
    print(f"joined within {time.monotonic() - start:.1f} s")
    w.finish()


class Namespace:
    """A network of its own with two ways to this one: over the first its Kafka traffic goes,
    over the second PostgreSQL's, which can lose its packets.
    """

    def __init__(self, kafka_port, postgres_port):
        self.name = f"rc{os.getpid()}"
        self.children, self.made = [], False
        if subprocess.run(["ip", "netns", "add", self.name], capture_output=True).returncode:
            pytest.skip("network namespaces are not permitted here")
        self.made = True
        try:
            self.run("ip", "link", "set", "lo", "up")
            for n in (77, 78):
                here, there = f"rc{n}a{os.getpid() % 10000}", f"rc{n}b{os.getpid() % 10000}"
                subprocess.run(
                    [
                        "ip",
                        "link",
                        "add",
                        here,
                        "type",
                        "veth",
                        "peer",
                        "name",
                        there,
                        "netns",
                        self.name,
                    ],
                    check=True,
                )
                subprocess.run(["ip", "addr", "add", f"10.{n}.0.1/24", "dev", here], check=True)
                subprocess.run(["ip", "link", "set", here, "up"], check=True)
                self.run("ip", "addr", "add", f"10.{n}.0.2/24", "dev", there)
                self.run("ip", "link", "set", there, "up")
            self.kafka = Proxy(kafka_port, listen="10.77.0.1")
            self.postgres = Proxy(postgres_port, listen="10.78.0.1")
            # the node advertises 127.0.0.1: within the namespace somebody must listen there
            self.children.append(
                subprocess.Popen(
                    [
                        *self.wrapper,
                        sys.executable,
                        Path(__file__).parent / "proxy.py",
                        str(kafka_port),
                        "10.77.0.1",
                        str(self.kafka.port),
                    ]
                )
            )
        except BaseException:
            self.close()
            raise

    @property
    def wrapper(self):
        return ["ip", "netns", "exec", self.name]

    def run(self, *argv):
        subprocess.run([*self.wrapper, *argv], check=True)

    def lose_replies(self, lose):
        subprocess.run(
            ["ip", "route", "add" if lose else "del", "blackhole", "10.78.0.2/32"], check=True
        )

    def close(self):
        for child in self.children:
            child.kill()
            child.wait()
        subprocess.run(["ip", "route", "del", "blackhole", "10.78.0.2/32"], capture_output=True)
        for proxy in (getattr(self, "kafka", None), getattr(self, "postgres", None)):
            if proxy:
                proxy.close()
        if self.made:
            subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


def test_row_18_packets_are_lost(cluster, kafka, chance):
    """Nothing comes back from the database's host, not even a reset: noticed by keep-alive and
    time-outs, not after the kernel's hours; another takes over.
    """
    w = cluster(people=300, batch=20)
    net = Namespace(int(kafka.bootstrap.split(":")[1]), w.postgres.port)
    try:
        w.start("aggregator")
        w.start("scheduler")
        far = w.start(
            "worker",
            wrapper=net.wrapper,
            conninfo=(
                f"host=10.78.0.1 port={net.postgres.port} user=rollcall dbname={w.database.name}"
            ),
            lanes='"tasks", "urgent"',
        )
        w.worker()
        w.ask("bumping")
        w.wait_done(chance.randint(10, 200))
        net.lose_replies(True)
        lost = time.monotonic()
        w.ask("bumping")
        w.wait_log(far, 'msg="cannot make progress, will retry"', 60)
        print(f"noticed after {time.monotonic() - lost:.1f} s")
        net.lose_replies(False)
        w.ask("bumping")
        w.finish(timeout=90)
    finally:
        w.close()
        net.close()

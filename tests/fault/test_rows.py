"""The thirty rows of docs/reliability.md. Each case ends with verify.py, which reads the tables and the topics again from their beginning."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from harness.paths import REPO, program
from harness.postgres import Database, Postgres, binaries
from harness.process import Process

import verify
from proxy import Proxy
from whole import NOON, Node, encode_task


def test_row_00_nothing_happens(whole):
    """The same work and the same checks without a fault."""
    w = whole()
    w.begin()
    w.ask()
    w.ask()
    w.grants(50)
    r = w.finish()
    assert r.numbers["planned"] == 2 * 300 * 5 and r.numbers["repeated_events"] == 0 and r.numbers["mails"] == 600


# ---- 1: a worker dies at a named place ----------------------------------------------------------------------------------------------------

DECIDING = ["worker.polled", "decide.uncommitted", "decide.committed", "outcomes.published", "outcomes.acked", "offsets.uncommitted", "offsets.committed",
            "mark.unwritten", "mark.written"]
MAILING = ["mail.unsent", "smtp.message.unsent", "smtp.message.answered", "mail.sent", "settle.uncommitted", "settle.committed"]
OWNING = ["partitions.claimed", "partitions.revoked", "recover.republished"]


def die_at(w, point, nth, job="sweep"):
    """A worker that dies at the nth passing of a place; beside it another one works on."""
    victim = w.worker(f"{point}=kill@{nth}")
    for _ in range(10):
        if not victim.running():
            break
        w.ask(job)
        try:
            w.wait(lambda: not victim.running(), 3)
        except AssertionError:
            if _ == 9:
                raise
    w.died(victim)


@pytest.mark.parametrize("point", DECIDING)
def test_row_01_killed_while_deciding(whole, chance, point):
    w = whole(people=200, verify_options={"repeated_mails": "killed"})
    w.begin(workers=1)
    die_at(w, point, chance.randrange(1, 120 if point == "outcomes.acked" else 3 if point.startswith("mark") else 6))
    w.ask()
    w.finish()


@pytest.mark.parametrize("point", MAILING)
def test_row_01_killed_while_mailing(whole, chance, point):
    """A further mail, under the same Message-ID and counted as an attempt, where the answer was lost; with `hold` none."""
    w = whole(people=150, verify_options={"repeated_mails": "killed"})
    w.begin(workers=1)
    die_at(w, point, chance.randrange(1, 40 if "message" in point else 3), chance.choice(["mailing", "careful"]))
    w.ask("careful")
    w.finish()


@pytest.mark.parametrize("point", OWNING)
def test_row_01_killed_while_taking_over(whole, chance, point):
    w = whole(people=200, verify_options={"repeated_mails": "killed"})
    w.begin(workers=1)
    w.ask()
    victim = w.worker(f"{point}=kill@{1 if point == 'partitions.revoked' else chance.randrange(1, 4)}")
    w.kill(w.processes[2])  # what it leaves behind is what the victim takes up, and dies over
    if point == "partitions.revoked":
        w.wait_log(victim, "partitions assigned")
    third = w.worker()
    w.ask()
    w.died(victim)
    w.ask()
    w.finish()
    assert third.child.returncode == 0


# ---- 2, 5: schedulers ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point, most", [("plan.uncommitted", 1), ("plan.committed", 1), ("fanout.task", 599), ("fanout.chunk", 5), ("fanout.unnoted", 2),
                                         ("close.uncommitted", 1), ("announce.unnoted", 1)])
def test_row_02_scheduler_killed(whole, chance, point, most):
    """At each place of a run's life, above all with half of its tasks published: the next one completes it under the same ids."""
    w = whole()
    w.start("aggregator")
    w.worker()
    first = w.start("scheduler", f"{point}=kill@{chance.randint(1, most)}")
    w.ask()
    w.died(first)
    w.start("scheduler")
    w.finish()
    assert w.value("select count(*) from rollcall.run") == 1


@pytest.mark.parametrize("how", ["plan.uncommitted=stop@1", "fanout.task=stop@%d", "fanout.unnoted=stop@1", "close.uncommitted=stop@1", "signal"])
def test_row_05_leader_paused_past_its_lease(whole, chance, how):
    """Back again it changes nothing; each run is planned, published and closed once."""
    w = whole()
    w.start("aggregator")
    w.worker()
    first = w.start("scheduler", "" if how == "signal" else how % chance.randint(1, 599) if "%" in how else how)
    w.wait_log(first, "leading")
    second = w.start("scheduler")
    w.ask()
    if how == "signal":
        time.sleep(chance.random() * 0.5)
        first.send_signal(signal.SIGSTOP)
    w.wait_log(second, 'msg="leading"', 10)
    w.ask()
    w.wait_done(300)
    first.send_signal(signal.SIGCONT)
    w.wait_log(first, "no longer leading", 10)
    w.ask()
    w.finish()
    assert w.value("select count(*) from rollcall.run") == 3


# ---- 3: the aggregator --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["totals.uncommitted", "totals.committed"])
def test_row_03_aggregator_killed_in_mid_batch(whole, chance, point):
    w = whole()
    first = w.start("aggregator", f"{point}=kill@{chance.randint(1, 3)}")
    w.start("scheduler")
    w.worker()
    for _ in range(5):
        w.ask()
        time.sleep(0.4)
    w.died(first)
    second = w.start("aggregator", f"{point}=kill@{chance.randint(1, 2)}")
    w.ask()
    w.died(second)
    w.start("aggregator")
    w.ask()
    w.finish()


# ---- 4, 6, 7, 8: workers that sleep, are slow, come and go ------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["decide.uncommitted", "decide.committed", "mail.unsent", "mail.sent", "settle.uncommitted", "mark.unwritten", "signal"])
def test_row_04_paused_past_its_session(whole, chance, place):
    """Frozen at a place of the protocol, or anywhere; another takes over; back again it writes nothing. What it may do again is a mail."""
    w = whole(people=200, verify_options={"repeated_mails": "paused"})
    w.begin(workers=1)
    nth = chance.randint(1, 2)
    frozen = w.worker("" if place == "signal" else f"{place}=stop@{nth}")
    w.wait_log(frozen, "partitions assigned")
    w.ask()
    if place == "signal":
        w.wait_done(chance.randint(1, 400))
        frozen.send_signal(signal.SIGSTOP)
    else:
        w.wait_log(frozen, "failpoint name=")
    frozen.expected = True
    w.ask()
    w.wait(lambda: w.value("select count(*) from rollcall.run where state <> 'finished'") == 0, 40, "the others' completing all runs")
    frozen.send_signal(signal.SIGCONT)
    w.ask()
    w.wait(lambda: frozen.text().count("partitions assigned") > 4, 30, "its coming back")
    w.finish()


def test_row_06_a_task_longer_than_the_poll_interval(whole):
    """The statement takes longer than Kafka lets a consumer be silent: the partition may move, the work is done once, and not for ever again."""
    w = whole(people=4, batch=2, properties='"max.poll.interval.ms=3000"')
    w.begin(workers=2)
    w.ask("napping", "--set", "nap=4")
    w.ask("bumping")
    w.finish(timeout=120)


def test_row_07_rebalance_storm(whole, chance):
    w = whole(people=600, batch=20, verify_options={"repeated_mails": "killed"})
    w.begin(workers=1)
    for n in range(7):
        w.ask()
        w.worker()
        time.sleep(0.5 + chance.random() * 1.5)
        workers = [p for p in w.processes if p.kind == "worker" and p.running()]
        if len(workers) > 2:
            victim = chance.choice(workers[1:])
            if chance.random() < 0.3:
                w.kill(victim)
            else:
                assert w.stop(victim) == 0
    w.finish(timeout=90)


@pytest.mark.parametrize("how", ["drain", "deadline", "second"])
def test_row_08_terminated_while_busy(whole, chance, how):
    """A drain ends in time with 0, also when the work in hand does not; a second signal ends it at once. What is left is taken over."""
    w = whole(people=400, batch=20, drain="1s", verify_options={"repeated_mails": "killed"})
    if how != "drain":  # a relay that does not answer keeps the mail lane busy
        w.smtp_proxy.black_hole("down")
    workers = w.begin(workers=2, **w.through(smtp=w.smtp_proxy))
    w.ask()
    w.wait_done(chance.randint(50, 800))
    if how != "drain":
        w.wait(lambda: w.value("select count(*) from rollcall.outcome where outcome = -1") > 0, 20, "mails under way")
    start = time.monotonic()
    workers[0].expected = True
    workers[0].send_signal(signal.SIGTERM)
    if how == "second":
        time.sleep(0.1)
        workers[0].send_signal(signal.SIGTERM)
    assert workers[0].wait(20) == 0, w.tail()
    took = time.monotonic() - start
    print(f"{how}: left after {took:.1f} s")
    assert took < {"drain": 5, "deadline": 9, "second": 5}[how]  # a message under way has its own time limit of 3 s
    w.smtp_proxy.heal()
    w.worker()
    w.finish()


# ---- 9, 10: the broker ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["restart", "crash", "away"])
def test_row_09_broker_goes_away(whole, kafka, chance, how, long):
    w = whole(people=500, batch=20, verify_options={"repeated_mails": "killed"})
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
        self.child = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", program("moving_broker"), str(self.file), str(self.control.getsockname()[1])],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
        assert self.child.stdout.readline().strip() == "ready"
        self.bootstrap = dict(line.split("=", 1) for line in self.file.read_text().splitlines())["bootstrap"]
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


def test_row_10_coordinator_and_leaders_move(whole, chance, tmp_path):
    node = Moving(tmp_path)
    try:
        w = whole(node=node, people=300, batch=20, kafka=f'embedded = "{node.file}"')
        w.begin()
        w.ask()
        for n in range(8):
            w.wait_done(60)
            group = chance.choice([f"{w.prefix}.worker.{lane}" for lane in ("tasks", "urgent", "mail")] + [f"{w.prefix}.aggregator"])
            assert node.say(f"coordinator {group} {chance.randint(1, 3)}") == "NO_ERROR"
            assert node.say(f"leader {w.topic(chance.choice(['tasks', 'mail', 'results']))} {chance.randrange(4)} {chance.randint(1, 3)}") == "NO_ERROR"
            if n % 3 == 0:
                w.ask()
        w.finish(timeout=120)
    finally:
        node.close()


# ---- 11, 12, 13: topics that change ---------------------------------------------------------------------------------------------------------


def mend(w):
    """What docs/operating.md tells an operator to do."""
    assert "were put right" in w.cli("topics", "repair", "--yes")


def test_row_11_topic_made_anew(whole, kafka):
    """The lane's topic is deleted and made again with other tasks in it: said as an error; nothing is passed over in silence."""
    w = whole(people=200, verify_options={"gone": True})
    w.begin(workers=1)
    w.ask("bumping")
    w.settle()
    worker = w.processes[-1]
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
    worker = w.worker()
    w.wait_log(worker, "level=error .*to go on: rollcall topics repair")
    mend(w)
    w._producer = None
    w.finish(timeout=90)


def test_row_12_partitions_added_while_running(whole):
    """A topic grows while everybody runs, the lanes being empty as docs/operating.md asks: the new partitions are taken up, each person's order holds."""
    w = whole(people=100, partitions=2, batch=20, properties='"topic.metadata.refresh.interval.ms=3000"')
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
            tasks.append((str(n).encode(), encode_task(uuid.uuid4(), "club.grant", str(n), f"{k:03}")))
    w.send(tasks, "urgent")
    w.ask()
    w.wait(lambda: w.value("select count(*) from rollcall.position where topic = %s", (w.topic("urgent"),)) == 6, 120, "six partitions being owned")
    w.finish(timeout=90)
    seen = defaultdict(list)
    for subject, item in w.database.rows("select subject, item from trace where type = 'club.grant' order by n"):
        seen[subject].append(item)
    assert len(seen) == 100 and all(items == sorted(items) and len(items) == 20 for items in seen.values())


def test_row_13_position_below_the_log_start(whole, kafka):
    """Retention deleted what had not been taken: said with both numbers, waited for; once the operator has decided, the open run is published again."""
    w = whole(people=400, verify_options={"gone": True})
    w.start("aggregator")
    w.start("scheduler")
    w.ask("bumping")
    w.wait(lambda: w.value("select count(*) from rollcall.run where state = 'published'") == 1)
    deleted = {p: 30 + 5 * p for p in range(4)}
    for partition, before in deleted.items():
        kafka.delete_records(w.topic(), partition, before)
    worker = w.worker()
    w.wait_log(worker, r"level=error .*begins at offset [34]\d, above the position 0: .*to go on: rollcall topics repair")
    mend(w)
    w.finish(timeout=90)


# ---- 14, 15, 16: the database ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["restart", "terminated", "idle"])
def test_row_14_database_connections_end(whole, chance, how, own_postgres):
    w = whole(database=own_postgres(), people=500, batch=20, verify_options={"repeated_mails": "killed"})
    workers = w.begin(workers=1)
    if how == "idle":  # in the middle of a transaction, for longer than the server allows
        workers.append(w.worker(f"decide.uncommitted=sleep:4000@{chance.randint(1, 4)}"))
    w.ask()
    for _ in range(1 if how == "idle" else 3):
        w.wait_done(chance.randint(20, 500))
        if how == "terminated":
            w.database.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'rollcall-%' and random() < 0.8")
        elif how == "restart":
            w.database.db.close()
            w.postgres.restart(crash=True)
            w.database.db = w.postgres.connect(w.database.name)
        else:
            w.wait_log(workers[-1], "failpoint name=")
            workers[-1].expected = False
    w.ask()
    w.finish(timeout=90)


@pytest.mark.parametrize("who", ["worker", "scheduler", "aggregator"])
def test_row_15_the_reply_to_commit_is_lost(whole, chance, who):
    """The server has committed and the client never hears of it, again and again: the truth is read back."""
    w = whole(people=300, batch=20, verify_options={"repeated_mails": "killed"})
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


def test_row_16_read_only_database(whole, chance, own_postgres):
    """The server refuses to write: no false success, and work goes on when it lets go."""
    w = whole(database=own_postgres(), people=300, batch=20, verify_options={"repeated_mails": "killed"})
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


def test_row_16_failover(whole, chance, own_postgres):
    """The primary dies, its synchronous standby is promoted: nothing that was acknowledged is missing, and the programs follow."""
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
        hosts = f"host=127.0.0.1,127.0.0.1 port={primary.port},{standby.port} user=rollcall dbname={database.name} target_session_attrs=read-write"
        w = whole(database=database, people=300, batch=20, conninfo=hosts, verify_options={"repeated_mails": "killed"})
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
        argv = [str(binaries() / "pg_basebackup"), "-h", "127.0.0.1", "-p", str(self.primary.port), "-U", "rollcall", "-D", str(self.data), "-R", "--checkpoint=fast"]
        wrapper = ["setpriv", "--reuid", self.owner, "--regid", self.owner, "--init-groups", "--"] if self.owner else []
        subprocess.run(wrapper + argv, check=True, cwd="/", stdout=subprocess.DEVNULL)
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(f"port = {self.port}\nunix_socket_directories = '{self.root}'\nsynchronous_standby_names = ''\n")
        (self.data / "postgresql.auto.conf").write_text("".join(
            line for line in (self.data / "postgresql.auto.conf").read_text().splitlines(True) if "synchronous_standby_names" not in line))

    def promote(self):
        with self.connect() as db:
            db.execute("select pg_promote(true, 30)")


# ---- 17, 18: networks -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut, directions", [("kafka", ("up", "down")), ("kafka", ("down",)), ("kafka", ("up",)), ("postgres", ("up", "down")), ("postgres", ("down",)),
                                             ("both", ("up", "down"))])
def test_row_17_cut_off(whole, kafka, chance, cut, directions, long):
    """One worker of two is cut off from Kafka, from PostgreSQL, or from both, one way or both ways, for longer than its session."""
    w = whole(people=300, batch=20, verify_options={"repeated_mails": "killed"})
    w.start("aggregator")
    w.start("scheduler")
    broken = [p for name, p in (("kafka", kafka.proxies[0]), ("postgres", w.postgres_proxy)) if cut in (name, "both")]
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
def test_row_18_slow_link_in_single_bytes(whole, kafka, link):
    w = whole(people=40)
    proxy = {"postgres": w.postgres_proxy, "kafka": kafka.proxies[1], "smtp": w.smtp_proxy}[link]
    proxy.slice = 1
    w.begin(workers=1, **w.through(**{link: proxy}))
    w.ask()
    w.wait_done(20, 60)
    proxy.slice, proxy.latency = 2000 if link == "kafka" else 200, 0.005
    w.ask()
    w.finish(timeout=120)


@pytest.mark.parametrize("link", ["kafka", "smtp"])
def test_row_18_half_open(whole, kafka, chance, link):
    """The other side is gone without a word: a time limit notices. (PostgreSQL's case needs a network that loses packets: see the next one.)"""
    w = whole(people=200, batch=20, properties='"socket.timeout.ms=3000"', verify_options={"repeated_mails": "killed"})
    proxy = {"kafka": kafka.proxies[1], "smtp": w.smtp_proxy}[link]
    w.begin(workers=1, **w.through(**{link: proxy}))
    for _ in range(3):
        w.ask()
        w.wait_done(chance.randint(10, 300))
        proxy.abandon()
    start = time.monotonic()
    w.settle(90)
    print(f"noticed and mended within {time.monotonic() - start:.1f} s")
    w.finish()


class Namespace:
    """A network of its own with two ways to this one: over the first its Kafka traffic goes, over the second PostgreSQL's, which can lose its packets."""

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
                subprocess.run(["ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name], check=True)
                subprocess.run(["ip", "addr", "add", f"10.{n}.0.1/24", "dev", here], check=True)
                subprocess.run(["ip", "link", "set", here, "up"], check=True)
                self.run("ip", "addr", "add", f"10.{n}.0.2/24", "dev", there)
                self.run("ip", "link", "set", there, "up")
            self.kafka = Proxy(kafka_port, listen="10.77.0.1")
            self.postgres = Proxy(postgres_port, listen="10.78.0.1")
            # the node advertises 127.0.0.1: within the namespace somebody must listen there
            self.children.append(subprocess.Popen([*self.wrapper, sys.executable, Path(__file__).parent / "proxy.py", str(kafka_port), "10.77.0.1", str(self.kafka.port)]))
        except BaseException:
            self.close()
            raise

    @property
    def wrapper(self):
        return ["ip", "netns", "exec", self.name]

    def run(self, *argv):
        subprocess.run([*self.wrapper, *argv], check=True)

    def lose_replies(self, lose):
        subprocess.run(["ip", "route", "add" if lose else "del", "blackhole", "10.78.0.2/32"], check=True)

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


def test_row_18_packets_are_lost(whole, kafka, chance):
    """Nothing comes back from the database's host, not even a reset: noticed by keep-alive and time-outs, not after the kernel's hours; another takes over."""
    w = whole(people=300, batch=20)
    net = Namespace(int(kafka.bootstrap.split(":")[1]), w.postgres.port)
    try:
        w.start("aggregator")
        w.start("scheduler")
        far = w.start("worker", wrapper=net.wrapper, conninfo=f"host=10.78.0.1 port={net.postgres.port} user=rollcall dbname={w.database.name}", lanes='"tasks", "urgent"')
        w.worker()
        w.ask("bumping")
        w.wait_done(chance.randint(10, 200))
        net.lose_replies(True)
        lost = time.monotonic()
        w.ask("bumping")
        w.wait_log(far, 'msg="waiting"', 60)
        print(f"noticed after {time.monotonic() - lost:.1f} s")
        net.lose_replies(False)
        w.ask("bumping")
        w.finish(timeout=90)
    finally:
        w.close()
        net.close()


# ---- 20, 21: time ---------------------------------------------------------------------------------------------------------------------------

JOBS = """, { name = "all"; tasks = [ "hourly" ]; schedule = "0 * * * *"; catch_up = "all"; concurrency_policy = "allow"; },
          { name = "latest"; tasks = [ "hourly" ]; schedule = "0 * * * *"; concurrency_policy = "allow"; },
          { name = "none"; tasks = [ "hourly" ]; schedule = "0 * * * *"; catch_up = "none"; concurrency_policy = "allow"; },
          { name = "deadline"; tasks = [ "hourly" ]; schedule = "0 * * * *"; catch_up = "all"; starting_deadline = "150m"; concurrency_policy = "allow"; }"""


def test_row_21_scheduler_down_across_slots(whole, chance):
    w = whole(people=20, jobs=JOBS)
    w.start("aggregator")
    w.worker()
    hours = chance.randint(4, 7)
    now = w.value("select clock_timestamp()")
    for job in ("all", "latest", "none", "deadline"):
        w.database.execute("insert into rollcall.job (pack, job, considered_at) values ('club', %s, %s) on conflict (pack, job) do update set considered_at = excluded.considered_at",
                           (job, now - timedelta(hours=hours)))
    first = w.start("scheduler", f"fanout.task=kill@{chance.randint(1, 60)}")
    w.died(first)
    w.start("scheduler")
    slots = [s for s in (now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=n) for n in range(hours + 1)) if s > now - timedelta(hours=hours)]
    w.finish()
    ran = defaultdict(list)
    for job, at, cause in w.database.rows("select job, scheduled_at, cause from rollcall.run order by scheduled_at"):
        ran[job].append(at)
    if now.minute > 1 and now.minute < 58:  # a slot of this very minute is no missed one
        assert ran["all"] == sorted(slots) and ran["latest"] == [max(slots)] and ran["none"] == []
        assert ran["deadline"] == [s for s in sorted(slots) if now - s < timedelta(minutes=150)]
    else:
        assert len(ran["all"]) == len(set(ran["all"])) >= len(slots)


FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
NIGHT = """, { name = "gap"; tasks = [ "hourly" ]; schedule = "30 2 8 3 *"; catch_up = "none"; },
           { name = "overlap"; tasks = [ "hourly" ]; schedule = "30 1 1 11 *"; catch_up = "none"; },
           { name = "leap"; tasks = [ "hourly" ]; schedule = "0 12 29 2 *"; catch_up = "none"; },
           { name = "often"; tasks = [ "hourly" ]; schedule = "* * * * *"; catch_up = "latest"; concurrency_policy = "allow"; }"""


class Clock(Postgres):
    """A server whose clock, which is that of all schedules, can be set."""

    def __init__(self, at, folder):
        self.file = folder / "clock"
        self.set(at)
        os.chmod(folder, 0o755)
        self.env = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        super().__init__()

    def set(self, at):
        self.file.write_text(f"{round((at - datetime.now(timezone.utc)).total_seconds()):+d}\n")
        os.chmod(self.file, 0o644)

    def start(self):
        preload = ["env", *(f"{k}={v}" for k, v in self.env.items())]  # after the change of user, or its semaphore is somebody else's
        self.process = Process([*preload, binaries() / "postgres", "-D", self.data], self.root / "log", user=self.owner, death_signal="INT", cwd="/")
        self.process.wait_until(self._answers)


def utc(*args):
    return datetime(*args, tzinfo=timezone.utc)


@pytest.fixture
def clock(request):
    import tempfile
    if not Path(FAKETIME).exists():
        pytest.skip("libfaketime is not installed (Debian package faketime)")
    folder = Path(tempfile.mkdtemp(prefix="rcclock-", dir="/tmp"))
    made = []

    def make(at):
        made.append(Clock(at, folder))
        return made[-1]
    yield make
    for server in made:
        server.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_row_20_dst_and_leap_day(whole, clock):
    """Skipped times run once after the gap, doubled ones the first time, a leap day when there is one."""
    server = clock(utc(2026, 3, 8, 6, 59, 50))
    database = Database(server, "time")
    w = whole(database=database, people=5, jobs=NIGHT, zone="America/New_York", lease="2s")
    w.database.execute("update rollcall.job set suspended = job = 'often'")
    w.begin(workers=1)

    def runs(job, count):
        w.wait(lambda: w.value("select count(*) from rollcall.run where job = %s", (job,)) >= count, 40, f"{count} runs of {job}")
        return [r[0] for r in w.database.rows("select scheduled_at from rollcall.run where job = %s order by 1", (job,))]

    def jump(at):
        server.set(at)
        time.sleep(9)
    assert runs("gap", 1) == [utc(2026, 3, 8, 7, 0)]
    jump(utc(2026, 3, 8, 7, 29, 55))
    assert runs("gap", 1) == [utc(2026, 3, 8, 7, 0)]
    server.set(utc(2026, 11, 1, 5, 29, 55))
    assert runs("overlap", 1) == [utc(2026, 11, 1, 5, 30)]
    jump(utc(2026, 11, 1, 6, 29, 55))
    assert runs("overlap", 1) == [utc(2026, 11, 1, 5, 30)]
    jump(utc(2027, 2, 28, 16, 59, 55))
    server.set(utc(2028, 2, 29, 16, 59, 55))
    assert runs("leap", 1) == [utc(2028, 2, 29, 17, 0)]
    w.finish()
    database.db.close()


def test_row_20_clocks_an_hour_off(whole, clock, chance):
    """The database's clock, which decides, jumps an hour forth, back, and forth again: each slot has one run, none twice, and work goes on."""
    server = clock(utc(2026, 5, 4, 10, 0, 30))
    database = Database(server, "time")
    w = whole(database=database, people=30, jobs=NIGHT, lease="2s")
    w.begin()
    for at in (utc(2026, 5, 4, 10, 0, 57), utc(2026, 5, 4, 11, 0, 57), utc(2026, 5, 4, 10, 0, 57), utc(2026, 5, 4, 11, 2, 57)):
        server.set(at)
        time.sleep(4 + chance.random())
        w.ask()
    w.database.execute("update rollcall.job set suspended = true")
    r = w.finish(timeout=60)
    slots = [s[0] for s in w.database.rows("select scheduled_at from rollcall.run where job = 'often' order by 1")]
    assert len(slots) == len(set(slots)) >= 2 and all(s.second == 0 for s in slots)
    print(f"{len(slots)} slots, {r.numbers['planned']} tasks")
    database.db.close()


# ---- 19: full disks -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk():
    """small_disk(mebibytes): a tmpfs."""
    import tempfile
    made = []

    def make(size, owner=None):
        folder = Path(tempfile.mkdtemp(prefix="rcdisk-", dir="/tmp"))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True).returncode:
            folder.rmdir()
            pytest.skip("mounting a tmpfs is not permitted here")
        made.append(folder)
        if owner:
            shutil.chown(folder, owner, owner)
            folder.chmod(0o700)
        return folder
    yield make
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def fill(folder):
    """Takes what is left of a disk."""
    with open(folder / "filler", "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            return folder / "filler"


class SmallPostgres(Postgres):
    def __init__(self, disk):
        self.disk = disk
        super().__init__(fsync=True, settings={"max_wal_size": "32MB", "min_wal_size": "32MB"})

    def _init(self):
        self.data = self.disk / "data"
        super()._init()


def test_row_19_database_disk_full(whole, chance, small_disk):
    """No outcome without durability: what PostgreSQL could not write is done when there is room."""
    disk = small_disk("256m", "postgres" if os.geteuid() == 0 else None)
    server = SmallPostgres(disk)
    database = Database(server, "small")
    try:
        w = whole(database=database, people=400, batch=20, verify_options={"repeated_mails": "killed"})
        w.begin()
        w.ask()
        w.wait_done(chance.randint(20, 600))
        filler = fill(disk)
        time.sleep(4)
        filler.unlink()
        database.db.close()
        if not server.process.running():
            server.stop()
            server.start()
        w.wait(lambda: server._answers(), 30)
        database.db = server.connect("small")
        w.ask()
        w.finish(timeout=90)
    finally:
        database.db.close()
        server.close()


def test_row_19_broker_disk_full(whole, chance, small_disk):
    """The node gives its log up; with room again, and started anew, everything that was acknowledged is there and the rest comes."""
    disk = small_disk("64m")
    node = Node(data=disk / "data")
    try:
        w = whole(node=node, people=400, batch=20, verify_options={"repeated_mails": "killed"})
        w.begin()
        w.ask()
        w.wait_done(chance.randint(20, 600))
        filler = fill(disk)
        w.database.execute("update rollcall.run set reason = reason")
        time.sleep(5)
        filler.unlink()
        node.restart(crash=True)
        w.ask()
        w.finish(timeout=120)
    finally:
        node.close()


def test_row_19_report_folder_full(whole, small_disk):
    """The old report stays whole; the new one is written when there is room."""
    disk = small_disk("256k")
    w = whole(people=300, reports=str(disk))
    w.begin(workers=1)
    w.ask("census")
    w.settle()
    before = (disk / "census.csv").read_text()
    w.people(20000, first=1001)
    w.ask("census")
    w.wait(lambda: w.value("select count(*) from rollcall.run where state in ('finished', 'failed')") == 2 or
           (w.value("select to_regclass('rollcall.held') is not null") and w.value("select count(*) from rollcall.held") > 0), 40, "an end")
    assert (disk / "census.csv").read_text() == before
    w.database.execute("delete from person where id > 1000; truncate deleted")
    w.ask("census")
    w.finish(timeout=120)
    assert (disk / "census.csv").read_text() == before


# ---- 22, 23, 24: messages -------------------------------------------------------------------------------------------------------------------


def test_row_22_duplicate_reordered_replayed_publishing(whole, chance):
    """All that is on the lanes is published again: at once, out of order, and after the end; ad-hoc tasks too, and one id with two contents."""
    w = whole(people=200)
    w.begin()
    w.grants(100)
    w.ask()
    w.wait_done(100)
    for round_number in range(3):
        messages, _ = verify.read_topics(w.node.bootstrap, [w.topic("tasks"), w.topic("urgent"), w.topic("mail")])
        again = [m for m in messages if chance.random() < (0.5 if round_number < 2 else 1)]
        chance.shuffle(again)
        for m in again:
            w.producer.produce(m.topic, m.value, m.key)
            w.producer.poll(0)
        assert w.producer.flush(30) == 0
        w.settle()
    before = Counter(w.database.rows("select type, count(*) from trace group by 1"))
    r = w.finish()
    assert before == Counter(w.database.rows("select type, count(*) from trace group by 1")) and r.numbers["repeated_events"] == 0


def test_row_23_tasks_that_fail_by_their_own_fault(whole, chance):
    """Some rows divide by zero, while workers die: those tasks are tried again, then quarantined with what is behind them, and done when the row is mended."""
    w = whole(people=200, batch=20, verify_options={"repeated_mails": "killed"})
    bad = chance.sample(range(1, 201), 8)
    w.database.execute("update person set trap = 'zero' where id = any(%s)", (bad,))
    w.begin()
    for _ in range(4):
        w.ask("bumping")
        victim = w.worker()
        w.wait_done(chance.randint(20, 150))
        w.kill(victim)
    w.settle(60)
    assert w.value("select count(*) from rollcall.outcome where outcome = 3") == 4 * len(bad)
    w.database.execute("update person set trap = ''")
    w.cli("quarantine", "replay", "--all", "--yes")
    for _ in range(2):
        victim = w.worker()
        time.sleep(chance.random())
        w.kill(victim)
    w.wait(lambda: w.value("select count(*) from rollcall.held") == 0, 60, "the replayed tasks being done")
    w.finish()
    assert w.value("select count(*) from rollcall.outcome where outcome <> 0") == 0 and w.value("select count(*) from trace") == 800


def poisons(chance, good):
    mark = good[:10]
    return {
        "null": None, "empty": b"", "random": chance.randbytes(300), "text": b'{"type": "club.bump"}', "cut short": good[:chance.randint(11, len(good) - 1)],
        "one more byte": good + b"\0", "only the mark": mark, "unknown schema": b"\xc3\x01" + chance.randbytes(8) + good[10:], "huge length": mark + bytes(16) + b"\0" +
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f" + b"a" * 20, "negative length": mark + bytes(16) + b"\0" + b"\x03" + b"a" * 20, "endless number": mark + b"\xff" * 200,
        "confluent": b"\0\0\0\0\x07" + good[10:], "large": b"\x01" * 900_000, "other kind": next(k for k, v in verify.load_schemas().items() if v[0] == "outcome") + good[10:],
    }


def test_row_23_poison(whole, chance):
    """Each becomes one dead letter, with the original bytes; the partition goes on; nobody's memory grows."""
    w = whole(people=200)
    w.begin()
    good = encode_task(uuid.uuid4(), "club.grant", "1", "never")
    bad = poisons(chance, good)
    for lane in ("tasks", "urgent", "mail", "jobs"):
        for n, value in enumerate(bad.values()):
            w.send([(b"k", value)], lane, partition=n % 4)
        w.grants(5)
    w.ask()
    r = w.finish()
    assert r.numbers["dead_letters"] == 4 * len(bad) and r.numbers["repeated_letters"] == 0
    kept = Counter(bytes(v) if v is not None else None for v, in w.database.rows("select value from rollcall.dead_letter"))
    assert kept == Counter({v: 4 for v in bad.values()})


def test_row_24_rolling_upgrade(whole):
    """A newer writer's tasks, with a field more, reach old readers that have its schema in their folder; one that has not sets them aside, loses none."""
    newer = json.loads((REPO / "schemas/task.avsc").read_text())
    newer["fields"].append({"name": "priority", "type": "int", "default": 0})
    older = json.loads((REPO / "schemas/task.avsc").read_text())
    older["fields"] = [f for f in older["fields"] if f["name"] not in ("arguments",)]
    w = whole(people=100)
    folder = w.folder / "schemas"
    folder.mkdir()
    (folder / "newer-task.avsc").write_text(json.dumps(newer))
    (folder / "older-task.avsc").write_text(json.dumps(older))
    known = {"more": f'schemas = {{ folder = "{folder}"; }};'}
    w.start("aggregator")
    w.start("scheduler")
    w.worker()
    w.ask()
    ids = [uuid.uuid4() for _ in range(60)]
    early = [(b"7", encode_task(i, "club.grant", "7", f"new{n}", schema=newer, priority=3)) for n, i in enumerate(ids[:20])]
    w.send(early, "urgent")
    w.wait(lambda: w.value("select count(*) from rollcall.dead_letter") == 20)
    assert w.stop(w.processes[-1]) == 0  # one after the other is replaced by one that knows
    w.worker(**known)
    w.worker(**known)
    w.send(early, "urgent")
    w.send([(b"8", encode_task(i, "club.grant", "8", f"old{n}", schema={k: v for k, v in older.items()})) for n, i in enumerate(ids[20:60])], "urgent")
    w.ask()
    took = w.settle()
    w.stop_all()
    state = verify.State(w.database.conninfo_tcp, w.node.bootstrap, w.prefix, w.folder / "mails", w.logs_folder)
    check = verify.Verify(state)
    for schema in (newer, older):
        mark = b"\xc3\x01" + bytes.fromhex(verify.fingerprint(verify.to_parsing_canonical_form(schema), "CRC-64-AVRO"))
        check.schemas[mark] = ("task", verify.fastavro.parse_schema(schema))
    check.decoded = [(m, *verify.decode(check.schemas, m.value)) for m in state.messages]
    report = check.run()
    print(report.text(), took)
    assert not report.violations, report.text()
    assert w.value("select count(*) from trace where type = 'club.grant'") == 60


# ---- 25: mail -------------------------------------------------------------------------------------------------------------------------------


def test_row_25_smtp_answers(whole):
    """Refused for good: never tried again. Put off: tried again. The answer lost before and after the message was kept: the same Message-ID, or held."""
    w = whole(people=40, verify_options={"repeated_mails": "lost"})
    locals_ = ["refuse550", "data550", "defer451", "data451", "drop", "dropkept", "hang", "full", "long", "slow"]
    for n, local in enumerate(locals_, start=2):
        w.database.execute("update person set email = %s where id = %s", (f"{local}@example.org", n))
    w.begin()
    w.ask("mailing")
    w.ask("careful")
    w.finish(timeout=180)
    outcomes = defaultdict(dict)
    for subject, job, outcome, attempt in w.database.rows("select subject, job, outcome, attempt from rollcall.outcome_named where type in ('club.greet', 'club.careful')"):
        outcomes[job][int(subject)] = (outcome, attempt)
    for job in ("mailing", "careful"):
        by = {local: outcomes[job][n] for n, local in enumerate(locals_, start=2)}
        print(job, by)
        assert by["slow"][0] == "applied" and outcomes[job][1] == ("applied", 1)
        for local in ("refuse550", "data550", "long"):
            assert by[local] in (("failed", 1), ("quarantined", 1)), (local, by)
        for local in ("defer451", "data451", "full"):
            # a later task of somebody who is quarantined is counted with the first, untried
            assert by[local][0] in ("failed", "quarantined") and (by[local][1] > 1 or job == "careful"), (local, by)
        for local in ("drop", "dropkept", "hang"):
            assert by[local][0] in ("unknown", "quarantined") and (by[local][1] == 1) == (job == "careful"), (local, by)
    assert Counter(m for m, _ in verify.read_mails(w.folder / "mails")).most_common(1)[0][1] >= 2


@pytest.mark.parametrize("options", [("--max-per-connection", "3"), ("--max-per-connection", "2", "--silent"), ("--close-idle", "0.3")])
def test_row_25_relay_hangs_up(whole, options):
    """421 and hanging up between messages: each goes out once."""
    w = whole(people=100, sink=options)
    w.begin(workers=1)
    w.ask("mailing")
    w.ask("careful")
    w.finish()


@pytest.fixture
def certificates(tmp_path):
    """certificates(name): the files of a new certificate for 127.0.0.1, by one authority."""
    folder = tmp_path / "tls"
    folder.mkdir()

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")

    def make(name):
        (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=127.0.0.1")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", f"{name}.pem", "-extfile", "ext")
        return str(folder / f"{name}.pem"), str(folder / f"{name}.key")
    make.ca = folder / "ca.pem"
    return make


def test_row_25_starttls_fails(whole, certificates):
    """A certificate of nobody we trust: nothing is sent, nothing is lost; trusted again, each mail goes out once."""
    good = certificates("good")
    foreign = Path(good[0]).parent / "foreign"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{foreign}.key", "-out", f"{foreign}.pem", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    w = whole(people=60, sink=("--starttls", f"{foreign}.pem", f"{foreign}.key", "--require-starttls"), mail=f'tls = "required"; ca_file = "{certificates.ca}";')
    w.begin(workers=1)
    w.ask("mailing")
    w.wait_log(w.processes[-1], "mail relay away")
    assert not verify.read_mails(w.folder / "mails")
    w.sink.stop()
    w.sink.start("--starttls", *good, "--require-starttls")
    w.finish(timeout=90)


def test_row_25_relay_cut_off_in_mid_message(whole, chance):
    """Reset at any byte, again and again: what was acknowledged is not sent again, what may have arrived keeps its Message-ID."""
    w = whole(people=150, verify_options={"repeated_mails": "lost"})
    w.begin(workers=1, **w.through(smtp=w.smtp_proxy))
    w.ask("mailing")
    w.ask("careful")
    for _ in range(12):
        time.sleep(chance.random() * 0.2)
        w.smtp_proxy.reset()
    w.finish(timeout=120)


# ---- 26: credentials ------------------------------------------------------------------------------------------------------------------------


def test_row_26_credentials_change(whole, own_postgres, certificates):
    """The database's password, the relay's password and its certificate change: new connections take what the files say now, without a restart."""
    database = own_postgres()
    database.execute("create role rotating superuser login password 'hunter2-old'")
    hba = database.server.data / "pg_hba.conf"
    hba.write_text("host all rotating 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
    database.execute("select pg_reload_conf()")
    secret = database.server.root / "secret"
    secret.write_text("hunter2-old\n")
    secret.chmod(0o400)
    relay = database.server.root / "relay"
    relay.write_text("geheim-old\n")
    relay.chmod(0o400)
    tls = certificates("first")
    w = whole(database=database, people=60, password=f'password_file = "{secret}";', conninfo=database.conninfo_tcp.replace("user=rollcall", "user=rotating"),
              sink=("--starttls", *tls, "--auth", "club", "geheim-old"), mail=f'tls = "required"; ca_file = "{certificates.ca}"; user = "club"; password_file = "{relay}";')
    w.begin(workers=1)
    w.ask()
    w.settle()
    database.execute("alter role rotating password 'hunter2-new'")
    secret.unlink()
    secret.write_text("hunter2-new\n")
    secret.chmod(0o400)
    relay.unlink()
    relay.write_text("geheim-new\n")
    relay.chmod(0o400)
    w.sink.stop()
    w.sink.start("--starttls", *certificates("second"), "--auth", "club", "geheim-new")
    database.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'rotating'")
    w.ask()
    r = w.finish(timeout=90)
    assert r.numbers["mails"] == 120 and w.value("select count(*) from rollcall.outcome where outcome > 0") == 0


# ---- 27: memory -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["worker", "scheduler", "aggregator"])
def test_row_27_allocations_fail(whole, chance, kind):
    """One allocation of the program's own fails, somewhere, again and again; who ends is started again. No task is blamed for it."""
    w = whole(people=150, batch=20, verify_options={"repeated_mails": "killed"})
    for other in {"worker", "scheduler", "aggregator"} - {kind}:
        w.start(other)
    hit, ended = 0, 0
    for _ in range(5):
        # programs make so many allocations: from the first on
        starving = w.start(kind, f"malloc=error@{int(10 ** (1 + chance.random() * 3))}", ready=False)
        w.ask()
        end = time.monotonic() + 3
        while time.monotonic() < end and starving.running() and "failpoint name=malloc" not in starving.text():
            time.sleep(0.02)
        time.sleep(0.5)
        hit += "failpoint name=malloc" in starving.text()
        ended += not starving.running()
        if starving.running():
            assert w.stop(starving) in (0, 1), w.tail()
        else:
            assert starving.child.returncode in (0, 1, 3), f"{starving.child.returncode}{w.tail()}"
    w.start(kind)
    w.finish(timeout=90)
    print(f"{hit} allocations failed, {ended} processes ended")
    assert hit >= 2
    assert w.value("select count(*) from rollcall.outcome where outcome not in (0, 1)") == 0 and w.value("select count(*) from rollcall.dead_letter") == 0


# ---- 28: configuration ----------------------------------------------------------------------------------------------------------------------


def test_row_28_reload(whole, chance):
    """While busy. Invalid or half-written: the old one stays in force, and it is said. Valid: drained and started anew under the same process id."""
    w = whole(people=300, batch=20, verify_options={"repeated_mails": "killed"})
    def half(text):
        """A file that is written for a part: one that still is a configuration would be taken, and rightly."""
        while True:
            cut = w.folder / "cut.cfg"
            cut.write_text(text[:chance.randint(len(text) // 4, len(text) * 3 // 4)])
            if subprocess.run([program("rollcall-worker"), "-c", cut, "--check-config"], capture_output=True).returncode == 3:
                return cut.read_text()
    for process in w.begin(workers=1) + w.processes[:2]:
        path = w.folder / "cfg" / f"{process.name}.cfg"
        good, pid = path.read_text(), process.pid
        w.ask()
        w.wait_done(20)
        for bad in (good.replace("partitions = 4", 'partitions = "four"'), half(good), "", good + "\0\0"):
            path.write_text(bad)
            refused = process.text().count("reload refused")
            process.send_signal(signal.SIGHUP)
            w.wait(lambda: process.text().count("reload refused") > refused, 15, f"{process.name} refusing")
        path.write_text(good)
        ready = process.text().count('msg="ready"')
        process.send_signal(signal.SIGHUP)
        w.wait(lambda: process.text().count('msg="ready"') > ready, 30, f"{process.name} starting anew")
        assert process.pid == pid and process.running()
    w.ask()
    w.finish()


# ---- 29, 30: what deletes -------------------------------------------------------------------------------------------------------------------


def results_take(w, size):
    resource = ConfigResource(ResourceType.TOPIC, w.topic("results"), incremental_configs=[
        ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)])
    admin = AdminClient({"bootstrap.servers": w.node.bootstrap})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


def test_row_29_audit_topic_unavailable(whole):
    """The results topic takes nothing: deletions stop after the few batches that may wait for their acknowledgement; nothing is lost when it is back."""
    w = whole(people=3000, batch=20)
    w.database.execute("update person set leaving = true, approved = id % 3 > 0")
    results_take(w, 20)
    w.begin()
    w.ask("purging")
    w.wait(lambda: w.value("select count(*) from deleted") > 0)
    seen = [w.value("select count(*) from deleted")]
    for _ in range(5):
        time.sleep(2)
        seen.append(w.value("select count(*) from deleted"))
    print(f"deleted without their audit events, every two seconds: {seen}")
    assert w.value("select coalesce(max(published), 0) from rollcall.position where topic = %s", (w.topic(),)) == 0
    results_take(w, 1048588)
    w.finish(timeout=120)
    assert w.value("select count(*) from deleted") == 2000
    assert seen[-1] == seen[-2] <= 2 * 9 * 20, seen  # two workers, eight batches that wait and one in hand


def test_row_30_reactivated_between_planning_and_purge(whole, chance):
    """Planned while leaving; some stay after all, before the workers come and while they work: nobody is deleted who does not leave, approved, at that moment."""
    w = whole(people=1500, batch=20)
    w.database.execute("update person set leaving = true, approved = true")
    w.start("aggregator")
    w.start("scheduler")
    w.ask("purging")
    w.wait(lambda: w.value("select count(*) from rollcall.run where state = 'published'") == 1)
    w.database.execute("update person set leaving = false where id %% 10 = %s", (chance.randrange(10),))
    w.database.execute("update person set approved = false where id %% 10 = %s", (chance.randrange(10),))
    for _ in range(2):
        w.start("worker", ready=False)
    stayed = set()
    while w.value("select count(*) from rollcall.run where state = 'published'"):
        for subject in chance.sample(range(1, 1501), 3):
            stayed |= {r[0] for r in w.database.rows("update person set leaving = false where id = %s returning id", (subject,))}
    r = w.finish()
    assert stayed and not stayed & {d[0] for d in w.database.rows("select subject from deleted")}
    assert r.numbers["deleted"] <= 1500 - 150

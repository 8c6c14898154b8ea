# SPDX-License-Identifier: Apache-2.0
"""Topics that change under the service: re-created, cut, expired, grown, lost. All of Rollcall on
real parts; the numbers are read from the ledger.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from harness.paths import REPO
from harness.system import System
from worker_pack import BUMP, FILES, PACK_CFG, TABLES, adhoc

JOBS = """
jobs = ( { name = "sweep"; tasks = [ "bump", "other" ]; }, { name = "greetings";
    tasks = [ "greet-all" ]; } );
"""


class TopicService:
    """The club with `people` members, and the programs around it."""

    def __init__(self, folder, database, broker, prefix, people, kafka="", workers=1, **options):
        pack = folder / "club"
        for path, text in FILES.items():
            (pack / path).parent.mkdir(parents=True, exist_ok=True)
            (pack / path).write_text(text)
        (pack / "hook.url").chmod(0o600)
        (pack / "sql/other.sql").write_text(BUMP % "other")
        cfg = (
            PACK_CFG[: PACK_CFG.index("jobs = (")]
            + JOBS
            + PACK_CFG[PACK_CFG.index("reports = (") :]
        )
        cfg = cfg.replace(
            '{ name = "other"; action = "sql"; due = "sql/due.sql"; statement = "sql/bump.sql"; }',
            '{ name = "other"; action = "sql"; due = "sql/due.sql"; statement = "sql/other.sql"; },'
            ' { name = "greet-all"; action = "email"; due = "sql/due.sql"; statement ='
            ' "sql/greet.sql"; record = "sql/greet.record.sql"; email = { subject = "Olá {{name}}";'
            ' text = "templates/greet.txt"; }; }',
        )
        (pack / "pack.cfg").write_text(cfg)
        self.broker, self.database, self.prefix = broker, database, prefix
        self.s = System(
            folder,
            database,
            broker,
            prefix,
            {pack: ""},
            tables=[TABLES],
            workers=workers,
            kafka=kafka,
            **options,
        )
        database.execute(
            "insert into person (id, email) select n, 'p' || n || '@example.org' from"
            " generate_series(1, %s) n",
            (people,),
        )

    def topic(self, lane="tasks"):
        return (
            f"{self.prefix}.{lane}"
            if lane in ("jobs", "tasks", "results")
            else f"{self.prefix}.tasks.{lane}"
        )

    def stop(self, name, number=signal.SIGTERM):
        daemon = self.s.daemons.pop(name)
        daemon.stop(number)

    def ask(self, job, *flags):
        return json.loads(self.s.cli("jobs", "run", job, "--yes", *flags, "--json"))["run_id"]

    def state(self, run):
        return self.database.value("select state from rollcall.run where run_id = %s", (run,))

    def until(self, run, *states):
        return self.s.wait(f"{run} is {states}", lambda: self.state(run) in states, 60)

    def succeeded(self, run, people):
        """Closed with its proof, and each task took effect once."""
        self.until(run, "succeeded", "completed with errors", "failed", "cancelled")
        row = self.database.rows(
            "select state, planned, applied, done, digest_matches from rollcall.run_progress where"
            " run_id = %s",
            (run,),
        )[0]
        assert row == ("succeeded", 2 * people, 2 * people, 2 * people, True), self.s.logs()
        journal = Counter(
            tuple(r)
            for r in self.database.rows(
                "select subject, type from journal where run = %s", (str(run),)
            )
        )
        assert journal == Counter(
            {(n, t): 1 for n in range(1, people + 1) for t in ("bump", "other")}
        )

    def log(self, name):
        return self.s.daemons[name].text()

    def totals(self):
        """The aggregator's totals, and the ledger's."""
        ledger = self.database.rows(
            "select coalesce(run_id, '00000000-0000-0000-0000-000000000000'), count(*) from"
            " rollcall.outcome_named where outcome = 'applied' group by 1 order by 1"
        )
        return (
            self.database.rows("select run_id, applied from rollcall.run_total order by 1"),
            ledger,
        )

    def totals_match(self, timeout=40):
        def equal():
            totals, ledger = self.totals()
            return totals == ledger

        self.s.wait("totals equal the ledger", equal, timeout)
        time.sleep(0.5)
        totals, ledger = self.totals()
        assert totals == ledger

    def positions(self, lane="tasks"):
        """{partition: next} of the logs in use."""
        return dict(
            self.database.rows(
                "select partition, next from rollcall.position where topic = %s and cluster !~ '#'",
                (self.topic(lane),),
            )
        )

    def recreate(self, lane="tasks", partitions=4, meanwhile=lambda: None):
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        name = self.topic(lane)
        self.s.topic_recreated = True
        admin.delete_topics([name])[name].result(30)
        meanwhile()

        def make():
            try:
                self.broker.create(name, partitions)
                return True
            except Exception:
                return False

        self.s.wait("the topic is re-created", make)

    def send(self, tasks, lane="tasks"):
        producer = Producer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )
        for task in tasks:
            producer.produce(self.topic(lane), task.bytes, task.subject.encode())
        assert producer.flush(30) == 0


@pytest.fixture
def make_service(tmp_path, unique, database):
    made = []

    def make(broker, **options):
        made.append(TopicService(tmp_path, database, broker, unique("topics"), **options))
        return made[-1]

    yield make
    for w in made:
        w.s.close()


POLICIES = pytest.mark.parametrize("policy", ["stop", "repair"])


def resolve(w, policy, run, pattern):
    """With `stop` the worker waits and names the command, which is given; with `repair` nobody
    does anything.
    """
    if policy == "repair":
        w.s.wait("said", lambda: re.search(rf"level=error .*{pattern}", w.log("worker-1")))
        return
    w.s.wait(
        "said",
        lambda: re.search(
            rf"level=error .*{pattern}.*; run: rollcall topics repair", w.log("worker-1")
        ),
    )
    assert w.state(run) == "published"
    found = w.s.cli("topics", "repair", "--dry-run", ok=(1,))
    assert (
        re.search(pattern, found)
        and "1 open runs" in found
        and "submits them again with the same id" in found
    )
    listed = json.loads(w.s.cli("topics", "repair", "--dry-run", "--json", ok=(1,)))
    assert (
        not listed["repaired"]
        and listed["open_runs"] == 1
        and {p["state"] for p in listed["positions"]} > {"ok"}
    )
    w.s.cli("topics", "repair", ok=(7,))  # without a terminal and without --yes
    assert (
        w.state(run) == "published"
        and w.database.value("select count(*) from rollcall.log_gap") == 0
    )
    assert "were repaired" in w.s.cli("topics", "repair", "--yes")


@POLICIES
def test_topic_re_created(make_service, kafka, policy):
    """Its log ends below the positions. What was planned and waited in the old one is published
    again; what was done is not.
    """
    w = make_service(kafka, people=200, kafka=f'lost_log = "{policy}";')
    first = w.ask("sweep")
    w.succeeded(first, 200)
    old = w.positions()
    w.stop("worker-1")
    second = w.ask("sweep", "--at", "2026-05-04T12:00:00Z")
    w.until(second, "published")
    w.recreate()
    w.s.start("worker", "worker-1")
    resolve(w, policy, second, "the topic ends at offset 0, before the stored offset")
    w.succeeded(second, 200)
    gaps = w.database.rows(
        "select p.partition, g.how, g.position, g.low, g.repaired_at is not null from"
        " rollcall.log_gap g join rollcall.position p using (source_no) order by 1"
    )
    assert gaps == [(n, "re-created", old[n], 0, True) for n in sorted(old)]
    w.totals_match()
    assert "each is in its topic" in w.s.cli("topics", "repair")


@POLICIES
def test_topic_re_created_and_filled_again(make_service, kafka, policy):
    """Its log reaches beyond the positions: only the messages tell that it is another one. All
    of the new one is read.
    """
    w = make_service(kafka, people=100, kafka=f'lost_log = "{policy}";')
    first = w.ask("sweep")
    w.succeeded(first, 100)
    w.stop("worker-1")
    second = w.ask("sweep", "--at", "2026-05-04T12:00:00Z")
    w.until(second, "published")
    w.recreate()
    fresh = [adhoc("club.gate", n % 100 + 1) for n in range(1000)]
    w.send(fresh)
    w.s.start("worker", "worker-1")
    resolve(w, policy, second, r"the message at offset \d+ is not the one")
    w.succeeded(second, 100)
    w.s.wait(
        "all of the new log",
        lambda: (
            w.database.value("select count(*) from rollcall.outcome_adhoc where outcome = 0")
            == 1000
        ),
    )
    assert set(w.database.rows("select how from rollcall.log_gap")) == {("re-created",)}
    w.totals_match()


def frozen_while_filled_again(w, name, lane, fill):
    """The topic becomes another one, longer than what was read, while its reader is frozen: no
    fetch of the reader's tells it.
    """
    w.s.daemons[name].send_signal(signal.SIGSTOP)
    w.recreate(lane)
    fill()
    w.s.daemons[name].send_signal(signal.SIGCONT)


@POLICIES
def test_topic_re_created_and_filled_again_while_it_is_read(make_service, kafka, policy):
    """The reader would continue in the middle: what lies before is not passed over in silence."""
    w = make_service(kafka, people=100, kafka=f'lost_log = "{policy}";', session="20s")
    first = w.ask("sweep")
    w.succeeded(first, 100)
    w.s.daemons["worker-1"].send_signal(signal.SIGSTOP)
    second = w.ask("sweep", "--at", "2026-05-04T12:00:00Z")
    w.until(second, "published")
    frozen_while_filled_again(
        w,
        "worker-1",
        "tasks",
        lambda: w.send([adhoc("club.gate", n % 100 + 1) for n in range(1000)]),
    )
    resolve(w, policy, second, r"the message at offset \d+ is not the one")
    w.succeeded(second, 100)
    w.s.wait(
        "all of the new log",
        lambda: (
            w.database.value("select count(*) from rollcall.outcome_adhoc where outcome = 0")
            == 1000
        ),
    )
    assert set(w.database.rows("select how from rollcall.log_gap")) == {("re-created",)}
    assert "MAXPOLL" not in w.log("worker-1") and "lost=true" not in w.log("worker-1")
    w.totals_match()


@pytest.mark.parametrize("balanced", ["before", "meanwhile"])
def test_topic_re_created_while_it_is_read(make_service, kafka, balanced):
    """Nobody is restarted: the scheduler, the workers and the aggregator continue with the new one.
    Also when the group was balanced while there was none.
    """
    w = make_service(
        kafka, people=300, kafka='lost_log = "repair";', workers=1 if balanced == "meanwhile" else 2
    )
    first = w.ask("sweep")
    w.succeeded(first, 300)
    w.recreate(
        meanwhile=lambda: (
            w.s.start("worker", "worker-2") and time.sleep(1) if balanced == "meanwhile" else None
        )
    )
    second = w.ask("sweep", "--at", "2026-05-04T12:00:00Z")
    w.succeeded(second, 300)
    w.totals_match()


@POLICIES
def test_messages_deleted_before_they_were_taken(make_service, kafka, policy):
    w = make_service(kafka, people=200, kafka=f'lost_log = "{policy}";')
    first = w.ask("sweep")
    w.succeeded(first, 200)
    w.stop("worker-1")
    second = w.ask("sweep", "--at", "2026-05-04T12:00:00Z")
    w.until(second, "published")
    w.send([adhoc("club.bump", 1)])  # where it lies, nobody can tell afterwards
    place = w.positions()[0]
    kafka.delete_records(w.topic(), 0, place + 30)
    w.s.start("worker", "worker-1")
    resolve(
        w,
        policy,
        second,
        f"the topic begins at offset {place + 30}, after the stored offset {place}: 30 messages",
    )
    w.succeeded(second, 200)
    assert w.database.rows(
        "select how, position, low, repaired_at is not null from rollcall.log_gap"
    ) == [("deleted", place, place + 30, True)]
    w.totals_match()


def test_stopped_partition_does_not_stop_the_others(make_service, kafka):
    w = make_service(kafka, people=200)
    first = w.ask("sweep")
    w.succeeded(first, 200)
    w.stop("worker-1")
    second = w.ask("sweep", "--at", "2026-05-04T12:00:00Z")
    w.until(second, "published")
    before = w.positions()
    kafka.delete_records(w.topic(), 0, before[0] + 10)
    w.s.start("worker", "worker-1")
    w.s.wait(
        "the others are done",
        lambda: all(next == 2 * before[n] for n, next in w.positions().items() if n),
    )
    assert w.positions()[0] == before[0] and w.log("worker-1").count("partition stopped") == 1
    w.s.cli("topics", "repair", "--yes")
    w.succeeded(second, 200)


def test_partitions_added_during_a_run(make_service, kafka):
    """A subject's tasks stay in one partition, and in order; that there are more is logged."""
    properties = 'properties = [ "topic.metadata.refresh.interval.ms=300" ];'
    w = make_service(
        kafka,
        people=3000,
        kafka=f"{properties} in_flight_max_bytes = 40000;",
        workers=0,
        worker="batch_max = 100;",
    )
    run = w.ask("sweep")
    w.until(run, "planned")
    w.s.wait("it is held back", lambda: ends(w) > 100)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_partitions([NewPartitions(w.topic(), 7)])[w.topic()].result(30)
    time.sleep(1.5)
    assert w.state(run) == "planned"
    w.s.start("worker", "worker-1")
    w.s.start("worker", "worker-2")
    w.succeeded(run, 3000)
    assert re.search(
        r'level=warn .*msg="topic has more partitions than kafka.partitions; the extra ones are'
        rf' not used" topic={re.escape(w.topic())} partitions=7 before=4 used=4',
        w.log("scheduler"),
    )
    places = w.database.rows(
        "select o.subject, count(*), count(distinct p.partition), max(p.partition) from"
        " rollcall.outcome_all o join rollcall.position p using (source_no) group by 1"
    )
    assert {row[1:3] for row in places} == {(2, 1)} and {row[3] for row in places} == {0, 1, 2, 3}
    wrong = w.database.value(
        "select count(*) from journal a join journal b on a.subject = b.subject and a.type = 'bump'"
        " and b.type = 'other' and a.n > b.n"
    )
    assert wrong == 0
    # what others publish there is read all the same
    w.send([adhoc("club.gate", n) for n in range(1, 201)])
    w.s.wait(
        "all partitions are read",
        lambda: (
            w.database.value("select count(*) from rollcall.outcome_adhoc where outcome = 0") == 200
        ),
    )
    assert (
        set(w.positions()) == set(range(7))
        and max(w.positions().values()) > 0
        and w.positions()[6] > 0
    )


def ends(w):
    from confluent_kafka import Consumer, TopicPartition

    c = Consumer(
        {"bootstrap.servers": w.broker.bootstrap, "group.id": f"{w.prefix}.ends", "log_level": 0}
    )
    try:
        return sum(c.get_watermark_offsets(TopicPartition(w.topic(), n), 10)[1] for n in range(4))
    finally:
        c.close()


@POLICIES
@pytest.mark.parametrize("how", ["deleted", "re-created"])
def test_results_that_were_not_aggregated(make_service, kafka, policy, how):
    """The topic lost them, the ledger has them: the totals are exact all the same."""
    w = make_service(kafka, people=300, kafka=f'lost_log = "{policy}";')
    first = w.ask("sweep")
    w.succeeded(first, 300)
    w.totals_match()
    w.stop("aggregator")
    second = w.ask("sweep", "--at", "2026-05-04T12:00:00Z")
    w.succeeded(second, 300)
    w.s.wait(
        "all events are there",
        lambda: w.database.value(
            "select bool_and(published = sequence) from rollcall.position where topic = %s",
            (w.topic(),),
        ),
    )
    if how == "deleted":
        for partition, place in w.positions("results").items():
            kafka.delete_records(w.topic("results"), partition, place + 20)
    else:
        w.recreate("results")
    third = w.ask("sweep", "--at", "2026-05-05T12:00:00Z")
    w.succeeded(third, 300)
    w.s.start("aggregator")
    pattern = (
        "the topic begins at offset"
        if how == "deleted"
        else "(the topic ends at offset|is not the one that was consumed)"
    )
    w.s.wait("said", lambda: re.search(f"level=error .*{pattern}", w.log("aggregator")))
    if policy == "stop":
        assert "run: rollcall topics repair" in w.log("aggregator")
        assert w.totals()[0] != w.totals()[1]
        assert "backfilled from the ledger" in w.s.cli("topics", "repair", "--yes")
    w.totals_match()
    w.s.wait(
        "all of it is folded",
        lambda: w.database.value("select bool_and(repaired_at is not null) from rollcall.log_gap"),
    )
    assert w.database.rows("select distinct how from rollcall.log_gap") == [(how,)]
    fourth = w.ask("sweep", "--at", "2026-05-06T12:00:00Z")
    w.succeeded(fourth, 300)
    w.totals_match()


@POLICIES
def test_results_re_created_and_filled_again_while_they_are_read(make_service, kafka, policy):
    """Nothing of the new topic is aggregated before what the old one lost."""
    w = make_service(kafka, people=100, kafka=f'lost_log = "{policy}";', session="20s")
    first = w.ask("sweep")
    w.succeeded(first, 100)
    w.totals_match()

    def fill():
        w.database.execute(
            "insert into person (id, email) select n, 'p' from generate_series(101, 400) n"
        )
        w.succeeded(w.ask("sweep", "--at", "2026-05-04T12:00:00Z"), 400)
        w.s.wait(
            "all events are there",
            lambda: w.database.value(
                "select bool_and(published = sequence) from rollcall.position where topic = %s",
                (w.topic(),),
            ),
        )

    frozen_while_filled_again(w, "aggregator", "results", fill)
    w.s.wait(
        "said",
        lambda: re.search("level=error .*is not the one that was consumed", w.log("aggregator")),
    )
    if policy == "stop":
        assert w.totals()[0] != w.totals()[1]
        w.s.cli("topics", "repair", "--yes")
    w.totals_match(60)
    assert w.database.rows("select distinct how from rollcall.log_gap") == [("re-created",)]


@pytest.fixture
def mail_sink(tmp_path):
    child = subprocess.Popen(
        [sys.executable, str(REPO / "tests/harness/mail_sink.py"), str(tmp_path / "sink")],
        stdout=subprocess.PIPE,
        text=True,
    )
    child.folder = tmp_path / "sink"
    child.port = int(child.stdout.readline().split()[1])
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_embedded_broker_dies_with_the_workers_while_mail_is_out(make_service, embedded, mail_sink):
    """Broker, worker and aggregator at once: intents are settled, quarantined tasks can be
    replayed, audit events that were not aggregated are, runs close, and
    the sequence numbers continue.
    """
    w = make_service(embedded, people=60, sink=mail_sink.port)
    first = w.ask("sweep")
    w.succeeded(first, 60)
    w.totals_match()
    w.database.execute("update person set email = 'defer451@example.org' where id in (1, 2)")
    w.send([adhoc("club.greet", 1), adhoc("club.greet", 2)], "mail")
    w.s.wait(
        "they are quarantined",
        lambda: (
            w.database.value("select count(*) from rollcall.held where state = 'quarantined'") == 2
        ),
    )
    w.database.execute("delete from person where id in (1, 2)")
    # not the first ones: the first batch may consist of two tasks only
    w.database.execute("update person set email = 'hang@example.org' where id > 30 and id % 3 = 0")
    run = w.ask("greetings")
    w.s.wait(
        "mails are under way",
        lambda: (
            w.database.value("select count(*) from rollcall.outcome where outcome = -1") > 0
            and any(mail_sink.folder.glob("*.eml"))
        ),
    )
    w.stop("aggregator", signal.SIGKILL)
    second = w.ask("sweep", "--at", "2026-05-04T12:00:00Z")
    w.until(second, "succeeded")  # its events are on a topic that will be gone
    w.stop("worker-1", signal.SIGKILL)
    pending = w.database.value("select count(*) from rollcall.outcome where outcome = -1")
    assert pending > 0
    embedded.restart(crash=True)
    w.database.execute("update person set email = 'p' || id || '@example.org'")
    w.database.execute(
        "insert into person (id, email) select n, 'p@example.org' from generate_series(1, 2) n"
    )
    w.s.start("aggregator")
    w.s.start("worker", "worker-1")
    w.until(run, "succeeded", "completed with errors", "failed", "cancelled")
    assert w.database.rows(
        "select state, applied, digest_matches from rollcall.run_progress where run_id = %s", (run,)
    ) == [("succeeded", 58, True)]
    assert (
        w.database.value(
            "select count(*) from rollcall.outcome where src_offset < 0 and outcome = 0 and"
            " attempt = 2"
        )
        == pending
    )
    w.s.cli("quarantine", "replay", "--all", "--yes")
    w.s.wait("replayed", lambda: w.database.value("select count(*) from rollcall.held") == 0)
    assert w.database.rows(
        "select outcome, replaces, count(*) from rollcall.outcome_adhoc where src_offset < 0 group"
        " by 1, 2"
    ) == [(0, 3, 2)]
    w.totals_match()
    third = w.ask("sweep", "--at", "2026-05-05T12:00:00Z")
    w.succeeded(third, 60)
    w.totals_match()
    doubled = w.database.rows(
        "select p.topic, p.partition, o.sequence from rollcall.outcome o join rollcall.position p"
        " using (source_no) group by 1, 2, 3 having count(*) > 1"
    )
    assert doubled == []

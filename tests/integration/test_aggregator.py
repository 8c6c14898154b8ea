# SPDX-License-Identifier: Apache-2.0
"""The aggregator on real parts: what it keeps equals a recount that shares no code with it,
whatever was killed, repeated or unreadable.
"""

import io
import json
import random
import re
import signal
import time
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta, timezone

import fastavro
import pytest
from confluent_kafka import Consumer, Producer
from fastavro.schema import fingerprint, to_parsing_canonical_form
from harness.paths import REPO, program
from harness.postgres import Database, Postgres
from harness.process import Process
from harness.schema import schema_sql

OUTCOMES = ["applied", "skipped", "failed", "quarantined", "unknown"]
BASE = (datetime.now(UTC) - timedelta(days=5)).replace(hour=22, minute=0, second=0, microsecond=0)
NIL = uuid.UUID(int=0)
PARTITIONS = 4


def schema(name):
    text = json.loads((REPO / "schemas" / name).read_text())
    mark = bytes.fromhex(
        fingerprint(to_parsing_canonical_form(text), "CRC-64-AVRO")
    )  # in the order of the wire
    return fastavro.parse_schema(text), b"\xc3\x01" + mark


OUTCOME, OUTCOME_MARK = schema("outcome.avsc")
LETTER, LETTER_MARK = schema("dead-letter.avsc")


def encode(event):
    out = io.BytesIO()
    out.write(OUTCOME_MARK)
    fastavro.schemaless_writer(out, OUTCOME, event)
    return out.getvalue()


def raw(value):
    return None if value is None else value if isinstance(value, bytes) else value.bytes


class Events:
    """Workers' audit events: every source partition numbers its own."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.sources = [
            ("rc.tasks", 0),
            ("rc.tasks", 1),
            ("rc.tasks", 2),
            ("rc.tasks.mail", 0),
            ("rc.tasks.urgent", 1),
        ]
        self.sequences = Counter()
        self.runs = [(uuid.UUID(int=self.random.getrandbits(128)), f"job-{i}") for i in range(6)]
        self.all = []  # (results partition, event)

    def make(self):
        r = self.random
        topic, partition = source = r.choice(self.sources)
        self.sequences[source] += 1
        run, job = r.choice(self.runs)
        adhoc = r.random() < 0.05
        type_name = r.choice(["care.check", "care.warn", "shop.purge"])
        outcome = r.choices(OUTCOMES, [80, 14, 3, 2, 1])[0]
        subject = f"person-{r.randrange(5000)}"
        event = {
            "event_id": uuid.UUID(int=r.getrandbits(128)).bytes,
            "task_id": uuid.UUID(int=r.getrandbits(128)).bytes,
            "run_id": None if adhoc else run.bytes,
            "pack": type_name.split(".")[0],
            "job": "" if adhoc else job,
            "type": type_name,
            "subject": subject,
            "item": r.choice(["", "7", "tutor"]),
            "outcome": outcome,
            "reason": "" if outcome == "applied" else f"{outcome}: por razão {r.randrange(4)}",
            "at": BASE + timedelta(seconds=r.randrange(3 * 86400), microseconds=r.randrange(10**6)),
            "dry_run": int(subject[7:]) % 3 == 0 if adhoc else job == "job-5",
            "actor": "scheduler",
            "attempt": 1,
            "source_topic": topic,
            "source_partition": partition,
            "source_offset": self.sequences[source] * 2,
            "sequence": self.sequences[source],
        }
        place = int(subject[7:]) % PARTITIONS
        self.all.append((place, event))
        return place, event

    def run_totals(self):
        totals = defaultdict(Counter)
        for _, e in self.all:
            totals[uuid.UUID(bytes=e["run_id"]) if e["run_id"] else NIL, e["dry_run"]][
                e["outcome"]
            ] += 1
        return {run: tuple(c[o] for o in OUTCOMES) for run, c in totals.items()}

    def day_totals(self):
        return Counter(
            (e["at"].date(), e["type"], e["dry_run"], OUTCOMES.index(e["outcome"]), e["reason"])
            for _, e in self.all
        )

    def newest_errors(self, kept):
        ids = set()
        for type_name in {e["type"] for _, e in self.all}:
            failed = [
                e
                for _, e in self.all
                if e["type"] == type_name and e["outcome"] in ("failed", "quarantined", "unknown")
            ]
            ids |= {
                e["event_id"]
                for e in sorted(failed, key=lambda e: (e["at"], e["event_id"]))[-kept:]
            }
        return ids


class Service:
    """A database with our tables, topics, and aggregators that are started and killed."""

    def __init__(self, broker, database, prefix, folder, embedded, lost_log="stop", **settings):
        self.broker, self.database, self.prefix, self.folder = broker, database, prefix, folder
        self.results, self.letters = f"{prefix}.results", f"{prefix}.dead-letters"
        database.execute(schema_sql())
        self.number(1_000_000)
        where = f'embedded = "{broker.file}"' if embedded else f'brokers = "{broker.bootstrap}"'
        lines = [f"{name} = {value};" for name, value in settings.items()]
        self.config = folder / "rollcall.cfg"
        self.config.write_text(f"""
database = {{ conninfo = "{database.conninfo}"; }};
kafka = {{ {where}; prefix = "{prefix}"; session_timeout = "6s"; partitions = {PARTITIONS};
    lost_log = "{lost_log}"; }};
aggregator = {{ {" ".join(lines)} }};
""")
        self.produced = 0
        self.producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap,
                "linger.ms": 5,
                "enable.idempotence": not embedded,
            }
        )
        self.started = []

    def number(self, last):
        """The workers' part: outcomes of the sources of Events are numbered up to here."""
        self.database.execute(
            "insert into rollcall.position (cluster, topic, partition, sequence) select 'c', t, p,"
            " %s from unnest(%s::text[]) t, generate_series(0, 3) p on conflict (cluster, topic,"
            " partition) do update set sequence = excluded.sequence",
            (last, ["rc.tasks", "rc.tasks.mail", "rc.tasks.urgent"]),
        )

    def create_topics(self):
        self.broker.create(self.results, PARTITIONS)
        self.broker.create(self.letters, 1)

    def send(self, partition, value, key=b"k"):
        def delivered(error, message):
            assert error is None, error
            places.append((message.partition(), message.offset()))

        places = []
        while True:
            try:
                self.producer.produce(
                    self.results, value, key, partition=partition, on_delivery=delivered
                )
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)
        self.produced += 1
        return places

    def start(self):
        p = Process(
            [program("rollcall-aggregator"), "-c", self.config],
            self.folder / f"log.{len(self.started)}",
        )
        self.started.append(p)
        return p

    def position(self):
        return int(
            self.database.value(
                "select coalesce(sum(next), 0) from rollcall.position where topic = %s",
                (self.results,),
            )
        )

    def wait_position(self, at_least, timeout=120):
        end = time.monotonic() + timeout
        while self.position() < at_least:
            assert any(p.running() for p in self.started), self.logs()
            assert time.monotonic() < end, (
                f"position {self.position()}, not {at_least}:\n{self.logs()}"
            )
            time.sleep(0.02)

    def wait_log(self, process, pattern, timeout=120):
        process.wait_until(lambda: re.search(pattern, process.text()), timeout, f"say {pattern!r}")

    def logs(self):
        return "\n".join(f"--- {p.log}\n{p.text()[-2000:]}" for p in self.started)

    def run_totals(self):
        rows = self.database.rows(
            "select run_id, dry_run, applied, skipped, failed, quarantined, unknown from"
            " rollcall.run_total"
        )
        return {row[:2]: tuple(row[2:]) for row in rows}

    def day_totals(self):
        return Counter(
            {
                tuple(row[:5]): row[5]
                for row in self.database.rows(
                    "select day, type, dry_run, outcome, reason, count from rollcall.day_total"
                )
            }
        )

    def published_letters(self, count):
        """Decoded records of the dead-letter topic, until `count` different ones are there."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "group.id": f"{self.prefix}.check",
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe([self.letters])
        found, end = [], time.monotonic() + 40
        while (
            len({(m["partition"], m["offset"]) for m in found}) < count and time.monotonic() < end
        ):
            message = consumer.poll(0.5)
            if message and not message.error():
                assert message.value()[:10] == LETTER_MARK
                found.append(fastavro.schemaless_reader(io.BytesIO(message.value()[10:]), LETTER))
        consumer.close()
        return found

    def close(self):
        for p in self.started:
            if p.running():
                p.kill()


@pytest.fixture
def make_service(request, tmp_path, unique):
    made = []

    def make(broker, database, embedded=False, **settings):
        made.append(Service(broker, database, unique("agg"), tmp_path, embedded, **settings))
        if not embedded:
            made[-1].create_topics()
        return made[-1]

    yield make
    for r in made:
        r.close()


def bad_messages(r):
    """What is no audit event, and what the log must say of it."""
    good = encode(Events(99).make()[1])
    loose = Events(98)
    twisted = dict(loose.make()[1], sequence=0)
    nul = dict(loose.make()[1], reason="a\0b")
    return [
        (bytes(r.randrange(256) for _ in range(r.randrange(1, 300))), r"."),
        (None, "no value"),
        (b"", r"."),
        (good[:-3], r"."),
        (good + b"x", r"."),
        (LETTER_MARK + good[10:], r"."),
        (OUTCOME_MARK + b"\xff" * 40, r"."),
        (encode(twisted), "sequence"),
        (encode(nul), r"U\+0000"),
        (b"x" * 950_000, r"."),
    ]


def test_totals_equal_a_recount(make_service, kafka, database):
    """Kills in mid-batch, windows published again, unreadable messages in between, a second
    aggregator for a while.
    """
    service = make_service(kafka, database, batch_max=300, errors_kept=20)
    events, r = Events(7), random.Random(7)
    bad, bad_places = bad_messages(r), []
    kills = 0
    for round_number in range(6):
        for _ in range(4000):
            place, event = events.make()
            service.send(place, encode(event))
            if (
                r.random() < 0.003
                # as after a crash of a worker: what it had not seen acknowledged comes again, in
                # order
            ):
                source = (event["source_topic"], event["source_partition"])
                window = [
                    (p, e)
                    for p, e in events.all[-r.randrange(1, 400) :]
                    if (e["source_topic"], e["source_partition"]) == source
                ]
                for p, e in window:
                    service.send(p, encode(e))
        for value, reason in bad:
            key = b"key" if value else None
            bad_places.append((service.send(r.randrange(PARTITIONS), value, key), value, reason))
        service.producer.flush(30)
        first = service.start()
        second = service.start() if round_number in (1, 4) else None
        if round_number < 5:
            before = service.position()
            service.wait_position(before + r.randrange(200, max(201, service.produced - before)))
            for p in (first, second):
                if p:
                    p.kill()
                    kills += 1
    service.wait_position(service.produced)
    assert service.position() == service.produced
    assert service.run_totals() == events.run_totals()
    assert service.day_totals() == events.day_totals()
    errors = {row[0].bytes for row in database.rows("select event_id from rollcall.recent_error")}
    assert errors == events.newest_errors(20)
    bounds = database.rows("select min(first_at), max(last_at) from rollcall.run_total")[0]
    assert bounds == (min(e["at"] for _, e in events.all), max(e["at"] for _, e in events.all))

    expected = {places[0]: value for places, value, _ in bad_places}
    rows = database.rows(
        "select p.partition, d.src_offset, d.value, d.key, d.reason from rollcall.dead_letter d"
        " join rollcall.position p using (source_no)"
    )
    assert {(row[0], row[1]): row[2] for row in rows} == expected
    assert {row[3] for row in rows} == {b"key", None}
    reasons = {(row[0], row[1]): row[4] for row in rows}
    for places, _, reason in bad_places:
        assert re.search(reason, reasons[places[0]]), reasons[places[0]]
    letters = service.published_letters(len(expected))
    text = "".join(p.text() for p in service.started)
    for partition, offset in expected:
        said = re.findall(
            rf"topic={re.escape(service.results)} partition={partition} offset={offset} reason=",
            text,
        )
        assert 1 <= len(said) <= 1 + kills
    whole = {
        place: value if not value or len(value) < 900_000 else None
        for place, value in expected.items()
    }  # larger ones stay in the table
    assert {(m["partition"], m["offset"]): m["value"] for m in letters} == whole
    ids = defaultdict(set)
    for m in letters:
        ids[(m["partition"], m["offset"])].add(raw(m["event_id"]))
    assert all(len(s) == 1 for s in ids.values()) and len(
        {next(iter(s)) for s in ids.values()}
    ) == len(expected)
    assert service.started[-1].stop() == 0


def forged(events, r):
    """(event, what the dead letter says): what no worker can have published."""
    good = Events(99).make()[1]
    changes = [
        ({"sequence": 2**62}, "has issued"),
        ({"sequence": 2**63 - 1}, "has issued"),
        ({"sequence": 1_000_001}, "has issued"),
        ({"source_topic": "strange"}, "has no partition"),
        ({"source_topic": "rc.task"}, "has no partition"),
        ({"source_topic": ""}, "."),
        ({"source_partition": 4}, "has no partition"),
        ({"source_partition": 2**31 - 1}, "has no partition"),
        ({"source_partition": -1}, "has no partition"),
        (
            {"at": datetime.now(UTC) + timedelta(days=2)},
            "later than the clock of the database",
        ),
        ({"at": datetime(9998, 1, 1, tzinfo=UTC)}, "later"),
    ]
    return [
        (dict(good, event_id=uuid.UUID(int=r.getrandbits(128)).bytes, **change), said)
        for change, said in changes
    ]


@pytest.mark.parametrize("kind", ["kafka", "embedded"])
def test_forged_events_change_nothing(make_service, request, database, kind):
    """What the ledger cannot have issued is dead-lettered, and suppresses no other event;
    sources by the ten thousand, too. What is numbered while it runs is taken.
    """
    service = make_service(request.getfixturevalue(kind), database, embedded=kind == "embedded")
    events, r = Events(5), random.Random(5)
    service.number(600)
    first = service.start()
    letters = {}

    def send_forged():
        for event, said in forged(events, r):
            for partition in range(PARTITIONS):
                places = service.send(partition, encode(event))
                service.producer.flush(30)
                letters[places[0]] = said

    send_forged()
    for _ in range(1000):
        service.send(*(lambda p, e: (p, encode(e)))(*events.make()))
    good = dict(events.all[0][1])
    for n in range(30_000):
        service.send(n % PARTITIONS, encode(dict(good, source_topic=f"made-up-{n}", sequence=1)))
    service.producer.flush(60)
    service.wait_position(service.produced)
    assert (
        service.run_totals() == events.run_totals() and service.day_totals() == events.day_totals()
    )
    service.number(5000)
    for _ in range(3000):
        service.send(*(lambda p, e: (p, encode(e)))(*events.make()))
    send_forged()
    service.producer.flush(60)
    service.wait_position(service.produced)
    assert (
        service.run_totals() == events.run_totals() and service.day_totals() == events.day_totals()
    )
    rows = {
        (row[0], row[1]): row[2]
        for row in database.rows(
            "select p.partition, d.src_offset, d.reason from rollcall.dead_letter d join"
            " rollcall.position p using (source_no)"
        )
    }
    assert len(rows) == len(letters) + 30_000
    for place, said in letters.items():
        assert re.search(said, rows[place]), (said, rows[place])
    assert (
        database.value("select count(*) from rollcall.folded where source_topic not like 'rc.%'")
        == 0
    )
    assert first.stop() == 0 and f"forged={len(rows)}" in first.text()


def test_embedded_broker(make_service, embedded, database):
    service = make_service(embedded, database, embedded=True)
    events = Events(3)
    process = service.start()
    for _ in range(5000):
        service.send(*(lambda place, event: (place, encode(event)))(*events.make()))
    service.send(0, b"nonsense")
    service.producer.flush(30)
    service.wait_position(5001)
    assert service.run_totals() == events.run_totals()
    assert database.value("select count(*) from rollcall.dead_letter") == 1
    assert process.stop() == 0


def test_reasons_are_bounded_in_the_table(make_service, kafka, database):
    """More reasons than are kept: the rest is counted together, and nothing is lost."""
    service = make_service(kafka, database, batch_max=50)
    events = Events(5)
    for i in range(2000):
        place, event = events.make()
        event.update(
            type="care.check", at=BASE, reason=f"reason {i % 400}", outcome="skipped", dry_run=False
        )
        service.send(place, encode(event))
    service.producer.flush(30)
    process = service.start()
    service.wait_position(2000)
    rows = dict(database.rows("select reason, sum(count)::int from rollcall.day_total group by 1"))
    assert sum(rows.values()) == 2000
    assert len(rows) == 101 and rows["(other)"] > 0
    process.stop()


def test_retention_passed_the_position(make_service, kafka, database):
    service = make_service(kafka, database, lost_log="repair")
    events = Events(11)
    sent = []
    for _ in range(1000):
        _, event = events.make()
        sent.append(event)
        service.send(0, encode(event))
    service.producer.flush(30)
    kafka.delete_records(service.results, 0, 400)
    process = service.start()
    service.wait_position(1000)
    assert re.search(
        r"level=error .*/0: the topic begins at offset 400, after the stored offset 0: 400"
        r" messages",
        process.text(),
    )
    assert database.value("select sum(count) from rollcall.day_total") == 600
    assert database.rows("select how, position, low, high from rollcall.log_gap") == [
        ("deleted", 0, 400, 1000)
    ]
    assert process.stop() == 0
    # and while it runs, but is stopped: the broker deletes what it has not read yet
    process = service.start()
    service.wait_log(process, "partitions assigned")
    process.send_signal(signal.SIGSTOP)
    for _ in range(500):
        service.send(0, encode(events.make()[1]))
    service.producer.flush(30)
    kafka.delete_records(service.results, 0, 1400)
    kafka.wait_without_members(f"{service.prefix}.aggregator")
    process.send_signal(signal.SIGCONT)
    service.wait_position(1500)
    gaps = database.rows("select position, low from rollcall.log_gap order by 1")
    counted = database.value("select sum(count) from rollcall.day_total")
    assert counted == 1500 - sum(
        last - first for first, last in gaps
    )  # the test is the worker: the ledger has nothing to backfill
    assert process.stop() == 0


def test_topic_ends_below_the_position(make_service, kafka, database):
    """As after the topic was re-created: the error has both numbers, that partition stops, the
    others continue, and it resumes when it is repaired.
    """
    service = make_service(kafka, database)
    events = Events(13)
    process = service.start()
    service.wait_log(process, "partitions assigned")
    for _ in range(100):
        _, event = events.make()
        service.send(1, encode(event))
    service.producer.flush(30)
    service.wait_position(100)
    assert process.stop() == 0
    database.execute(
        "update rollcall.position set next = 5000 where topic like '%.results' and partition = 1"
    )
    process = service.start()
    service.wait_log(
        process,
        r"level=error .*/1: the topic ends at offset 100, before the stored offset 5000"
        r".*rollcall topics"
        r" repair",
    )
    for place in (1, 2):
        for _ in range(50):
            service.send(place, encode(events.make()[1]))
    service.producer.flush(30)
    service.wait_position(5050)
    assert database.rows(
        "select partition, next from rollcall.position where topic like '%.results' and partition"
        " in (1, 2) order by 1"
    ) == [(1, 5000), (2, 50)]
    database.execute(
        "update rollcall.position set next = 100 where topic like '%.results' and partition = 1"
    )
    service.wait_log(process, r'"partition resumed"')
    service.wait_position(200)
    assert database.value("select sum(count) from rollcall.day_total") == 200
    # once each time that the group gives the partition out: a busy machine may let a session time
    # out
    assert len(re.findall("below the position 5000", process.text())) <= process.text().count(
        'msg="partitions assigned"'
    )
    assert process.stop() == 0


def test_topic_is_re_created_while_running(make_service, kafka, database):
    service = make_service(kafka, database)
    events = Events(19)
    process = service.start()
    service.wait_log(process, "partitions assigned")
    for _ in range(200):
        service.send(3, encode(events.make()[1]))
    service.producer.flush(30)
    service.wait_position(200)
    kafka.recreate(service.results, PARTITIONS)
    service.wait_log(
        process, r"level=error .*/3: the topic ends at offset 0, before the stored offset 200"
    )
    service.producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for _ in range(60):
        service.send(3, encode(events.make()[1]))
    for _ in range(40):
        service.send(0, encode(events.make()[1]))
    service.producer.flush(30)
    service.wait_position(240)
    assert database.value("select sum(count) from rollcall.day_total") == 240
    database.execute(
        "update rollcall.position set next = 0 where topic like '%.results' and partition = 3"
    )
    service.wait_position(100)
    assert database.value("select sum(count) from rollcall.day_total") == 300
    assert process.stop() == 0


def test_database_and_broker_become_unavailable(make_service, kafka, tmp_path):
    """Logged once, retried, and nothing is counted twice."""
    server = Postgres()
    try:
        database = Database(server, "away")
        service = make_service(kafka, database, batch_max=200)
        events = Events(17)
        process = service.start()
        for round_number in range(3):
            for _ in range(3000):
                place, event = events.make()
                service.send(place, encode(event))
            service.producer.flush(60)
            if round_number == 0:
                service.wait_position(500)
                server.restart(crash=True)
            elif round_number == 1:
                database.db = server.connect("away")
                service.wait_position(3500)
                database.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name"
                    " = 'rollcall-aggregator'"
                )
            database.db = server.connect("away")
        service.wait_position(9000)
        kafka.restart(crash=True)
        for _ in range(1000):
            place, event = events.make()
            service.send(place, encode(event))
        service.producer.flush(60)
        service.wait_position(10000)
        assert service.run_totals() == events.run_totals()
        text = process.text()
        assert 1 <= len(re.findall("database unavailable", text)) <= 3
        assert len(re.findall("database unavailable", text)) == len(
            re.findall("database recovered", text)
        )
        assert len(re.findall("broker unavailable", text)) <= 2
        assert process.stop() == 0
    finally:
        server.close()


def test_help_and_bad_usage():
    import subprocess

    done = subprocess.run(
        [program("rollcall-aggregator"), "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "run_total" in done.stdout
    assert (
        subprocess.run(
            [program("rollcall-aggregator"), "--nonsense"], capture_output=True
        ).returncode
        == 2
    )

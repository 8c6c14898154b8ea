# SPDX-License-Identifier: Apache-2.0
"""A small pack of its own, a service around it, and the part of the scheduler: what the worker
is tried on.
"""

import email
import email.policy
import hashlib
import io
import json
import os
import re
import subprocess
import time
import uuid
from collections import Counter, namedtuple
from datetime import UTC, datetime, timedelta, timezone

import fastavro
import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition
from fastavro.schema import fingerprint, to_parsing_canonical_form
from harness.paths import REPO, program
from harness.process import Process

RUN_SPACE = uuid.UUID("5f0c8a52-3b6e-4f5e-9d0a-7c1e2b9a4d11")  # docs/messages.md
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)

TABLES = """
create table person (id bigint primary key, email text not null default '', hits int not null
    default 0, active boolean not null default true,
                     trap text not null default '', note text);
create table known (id int primary key);
create table journal (n bigint generated always as identity primary key, subject bigint not null,
    type text not null, item text not null, run text not null,
                      said text, known int references known deferrable initially deferred);
create table sent (subject bigint not null, item text not null, at timestamptz not null);
"""

PACK_CFG = """
name = "club"; title = "The club"; time_zone = "America/Sao_Paulo"; search_path = "public";
    subject_type = "integer"; schema = "sql/schema.sql";
mail = { from_address = "club@example.org"; from_name = "The club"; };
settings = ( { name = "step"; type = "integer"; default = 1; min = 1; max = 9; } );
task_types = (
  { name = "bump"; action = "sql"; due = "sql/due.sql"; statement = "sql/bump.sql"; },
  { name = "other"; action = "sql"; due = "sql/due.sql"; statement = "sql/bump.sql"; },
  { name = "gate"; action = "sql"; due = "sql/due.sql"; statement = "sql/gate.sql"; },
  { name = "grant"; action = "sql"; lane = "urgent"; statement = "sql/grant.sql";
    arguments = ( { name = "days"; type = "integer"; required = true; min = 1; max = 100; },
                  { name = "level"; type = "text"; default = "basic"; values = [ "basic",
                      "gold" ]; },
                  { name = "until"; type = "date"; default = "2030-01-02"; } ); },
  { name = "enrol"; action = "sql"; due = "sql/due.sql"; statement = "sql/bump.sql";
      follow_ups = [ "welcome", "greet" ]; },
  { name = "choose"; action = "sql"; due = "sql/due.sql"; statement = "sql/choose.sql";
      follow_ups = [ "welcome", "greet" ]; },
  { name = "welcome"; action = "sql"; lane = "urgent"; statement = "sql/bump.sql"; },
  { name = "thanks"; action = "sql"; statement = "sql/bump.sql"; },
  { name = "greet"; action = "email"; due = "sql/due.sql"; statement = "sql/greet.sql";
      record = "sql/greet.record.sql"; follow_ups = [ "thanks" ];
    email = { subject = "Olá {{name}}"; text = "templates/greet.txt"; html = "templates/greet.html";
        }; },
  { name = "large"; action = "sql"; due = "sql/due.sql"; statement = "sql/large.sql";
    arguments = ( { name = "left"; type = "text"; default = ""; }, { name = "right"; type = "text";
        default = ""; } ); },
  { name = "careful"; action = "email"; due = "sql/due.sql"; statement = "sql/greet.sql";
      record = "sql/greet.record.sql";
    email = { subject = "Olá {{name}}"; text = "templates/greet.txt"; lost_answer = "hold"; }; },
  { name = "call"; action = "webhook"; due = "sql/due.sql"; statement = "sql/call.sql";
      webhook = { url_file = "hook.url"; timeout = "2s"; }; },
  { name = "census"; action = "report"; scope = "run"; report = { report = "census"; format = "csv";
      file = "census_%Y%m%d_%H.csv"; }; },
  { name = "pack-logs"; action = "files"; scope = "run"; files = { folder = "logs";
      pattern = "*.log"; older_than = "2d"; do = "compress"; }; },
  { name = "drop-logs"; action = "files"; scope = "run"; files = { folder = "logs";
      pattern = "*.gz"; older_than = "2d"; do = "delete"; }; }
);
jobs = ( { name = "sweep"; tasks = [ "bump", "other", "enrol", "gate", "choose", "greet", "careful",
    "call", "census", "pack-logs", "drop-logs" ]; },
    { name = "other"; tasks = [ "bump" ]; settings = { step = "3"; }; },
         { name = "rehearsal"; tasks = ( { type = "bump"; dry_run = true; },
             { type = "other"; } ); } );
reports = ( { name = "census"; title = "CENSUS"; statement = "sql/census.sql"; } );
"""

# Every effect leaves a row in journal, whatever the condition says: a double one cannot hide.
BUMP = """
found as (select p.id, p.hits, p.trap, b.item from person p join batch b on b.subject = p.id
    where p.active order by p.id for update of p),
changed as (update person p set hits = p.hits + :step * case when f.trap = 'zero'
    then 1 / (f.hits - f.hits) else 1 end from found f where p.id = f.id
            returning p.id, p.hits),
noted as (insert into journal (subject, type, item, run, known) select c.id, '%s', f.item,
    coalesce(:run_id::text, ''),
          case when f.trap = 'deferred' then -1 end from changed c join found f on f.id = c.id),
effect as (select f.id as subject, 'applied'::text as outcome, f.trap as reason,
    f.hits::text as before,
                  case when f.trap = 'huge' then repeat('é', 400000) else c.hits::text end as after
                      from found f join changed c on c.id = f.id)"""

FILES = {
    "sql/schema.sql": "create table if not exists club_log (said text);",
    "sql/due.sql": "select id as subject from person where active",
    "sql/bump.sql": BUMP % "bump",
    "sql/gate.sql": (
        """
gate as materialized (select pg_advisory_xact_lock_shared(77)),
noted as (insert into journal (subject, type, item, run) select b.subject, 'gate', b.item,
    coalesce(:run_id::text, '') from batch b, gate),
effect as (select subject, 'applied'::text as outcome from batch)"""
    ),
    # `note` says how many bytes before and after have; the trap is sprung by the statement, or by
    # its result
    "sql/large.sql": (
        """
changed as (update person p set hits = p.hits + case p.trap when 'zero' then 1 / (p.hits - p.hits)
    when 'word' then p.trap::int else 1 end
            from batch b where p.id = b.subject returning p.id, p.note),
effect as (select id as subject, 'applied'::text as outcome, repeat('b', coalesce(note,
    '0')::int) as before, repeat('a', coalesce(note, '0')::int) as after from changed)"""
    ),
    "sql/choose.sql": (
        """
effect as (select p.id as subject, 'applied'::text as outcome, case when p.id % 2 = 0
    then array['welcome'] end as follow_ups
           from person p join batch b on b.subject = p.id)"""
    ),
    "sql/grant.sql": (
        """
noted as (insert into journal (subject, type, item, run, said) select b.subject, 'grant', b.item,
    '', b.days + 1 || ' ' || b.level || ' ' || (b.until + 1) || ' ' ||
          b.actor || ' ' || :actor from batch b join person p on p.id = b.subject returning subject,
              said),
effect as (select subject, 'applied'::text as outcome, said as after from noted)"""
    ),
    "sql/greet.sql": (
        """
effect as (select p.id as subject, case when p.email = 'none' then 'failed' when p.active
    then 'send' else 'skipped' end as outcome,
                  case when p.email = 'none' then 'has no mail' when p.active then ''
                      else 'is away' end as reason,
                  p.email as to_address, 'Pessoa ' || p.id as to_name,
                      'Zé <' || p.id || '>' as name, coalesce(p.note, '') as note
           from person p join batch b on b.subject = p.id)"""
    ),
    "sql/greet.record.sql": (
        """
noted as (insert into sent (subject, item, at) select b.subject, case when p.trap = 'record'
    then null else b.item end, b.sent_at
          from batch b join person p on p.id = b.subject)"""
    ),
    "sql/call.sql": (
        "effect as (select subject, 'send'::text as outcome, json_build_object('who', subject) as"
        " body from batch)"
    ),
    "sql/census.sql": (
        "select json_build_object('people', (select json_agg(x) from (select trap, count(*) as"
        " number from person group by 1 order by 1) x))"
    ),
    "templates/greet.txt": "Dear {{name}},\n{{note}}\n",
    "templates/greet.html": "<p>Dear {{name}}</p>\n",
    "hook.url": "http://127.0.0.1:1/none",
}

MailSeen = namedtuple("MailSeen", "to id subject text html raw")


def _schema(name):
    text = json.loads((REPO / "schemas" / name).read_text())
    mark = bytes.fromhex(fingerprint(to_parsing_canonical_form(text), "CRC-64-AVRO"))
    return fastavro.parse_schema(text), b"\xc3\x01" + mark


TASK, TASK_MARK = _schema("task.avsc")
OUTCOME, OUTCOME_MARK = _schema("outcome.avsc")
LETTER, LETTER_MARK = _schema("dead-letter.avsc")


def encode(schema, mark, record):
    out = io.BytesIO()
    out.write(mark)
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def as_uuid(value):
    return value if value is None or isinstance(value, uuid.UUID) else uuid.UUID(bytes=bytes(value))


def decode(value):
    """(kind, record) of a message of ours."""
    for kind, schema, mark in (
        ("task", TASK, TASK_MARK),
        ("outcome", OUTCOME, OUTCOME_MARK),
        ("letter", LETTER, LETTER_MARK),
    ):
        if value[:10] == mark:
            stream = io.BytesIO(value[10:])
            record = fastavro.schemaless_reader(stream, schema)
            assert not stream.read(1)
            for name in ("event_id", "task_id", "run_id"):
                if name in record:
                    record[name] = as_uuid(record[name])
            return kind, record
    raise ValueError(value[:40])


def event_id(task_id, outcome, attempt=1):
    return uuid.uuid5(task_id, f"{attempt}\0{outcome}")


def signed(n):
    return n - (1 << 64) if n >> 63 else n


def digest(ids):
    """XOR of the halves, as two signed numbers."""
    x = 0
    for i in ids:
        x ^= i.int
    return signed(x >> 64), signed(x & ((1 << 64) - 1))


class Task(namedtuple("Task", "id run type subject item dry_run actor arguments")):
    @property
    def bytes(self):
        return encode(
            TASK,
            TASK_MARK,
            {
                "task_id": self.id.bytes,
                "run_id": self.run.bytes if self.run else None,
                "type": self.type,
                "subject": self.subject,
                "item": self.item,
                "scheduled_at": NOON,
                "dry_run": self.dry_run,
                "actor": self.actor,
                "arguments": self.arguments,
            },
        )


def adhoc(type_name, subject, task_id=None, item="", dry_run=False, **arguments):
    return Task(
        task_id or uuid.uuid4(), None, type_name, str(subject), item, dry_run, "cli:ana", arguments
    )


def murmur2(data):
    """The hash by which Kafka's default partitioner distributes keys, without its sign."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    for i in range(0, len(data) - 3, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    rest = data[len(data) & ~3 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


class Run:
    """A row of rollcall.run, as the scheduler leaves it when everything is published."""

    def __init__(
        self,
        service,
        job="sweep",
        at=NOON,
        dry_run=False,
        state="published",
        settings="{}",
        pack="club",
    ):
        self.service = service
        micros = (at - EPOCH) // timedelta(microseconds=1)
        self.id = uuid.uuid5(RUN_SPACE, f"{pack}\0{job}\0{micros}")
        service.database.execute("select rollcall.ensure_day(%s::date)", (at.date(),))
        self.no = service.database.value(
            "insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,"
            " dry_run, state, settings) values (%s, %s, %s, %s, %s, 'manual', 'cli:bob', %s, %s,"
            " %s) returning run_no",
            (self.id, pack, job, at, at.date(), dry_run, state, settings),
        )

    def task(self, type_name, subject, item="", task_id=None, dry_run=False):
        name = type_name if "." in type_name else f"club.{type_name}"
        return Task(
            task_id or uuid.uuid5(self.id, f"{name}\0{subject}\0{item}"),
            self.id,
            name,
            str(subject),
            item,
            dry_run,
            "scheduler",
            {},
        )

    def plan(self, tasks, placed=True):
        """Writes the plan as the scheduler does, one chunk for each partition of each type; or,
        not `placed`, chunks without a place and a run that is kept by task.
        """
        a, b = digest({t.id for t in tasks})
        chunks = {}
        for t in tasks if placed else ():
            partition = murmur2(t.subject.encode()) % self.service.partitions
            key = (t.type, self.service.lane_of(t.type), partition)
            chunks.setdefault(key, {})[t.id] = t
        types = sorted({t.type for t in tasks})
        with psycopg.connect(self.service.database.conninfo) as db:
            db.execute(
                "insert into rollcall.task_type (name) select unnest(%s::text[]) on conflict do"
                " nothing",
                (types,),
            )
            db.execute(
                "update rollcall.run set planned = %s, planned_digest_a = %s, planned_digest_b ="
                " %s, by_task = %s where run_no = %s",
                (len({t.id for t in tasks}), a, b, not placed, self.no),
            )
            if not placed:
                db.execute(
                    "insert into rollcall.plan (run_no, chunk, type_no, dry_run, subjects) select"
                    " %s, type_no, type_no, false, '{}' from rollcall.task_type where name ="
                    " any(%s) on conflict do nothing",
                    (self.no, types),
                )
            for number, ((name, lane, partition), of_chunk) in enumerate(chunks.items()):
                db.execute(
                    "insert into rollcall.plan (run_no, chunk, type_no, dry_run, subjects, items,"
                    " lane, partition, partitions) select %s, %s, type_no, false, %s, %s, %s, %s,"
                    " %s"
                    " from rollcall.task_type where name = %s",
                    (
                        self.no,
                        number,
                        [t.subject for t in of_chunk.values()],
                        [t.item for t in of_chunk.values()],
                        lane,
                        partition,
                        self.service.partitions,
                        name,
                    ),
                )
        return tasks

    def progress(self):
        names = (
            "planned, applied, skipped, failed, quarantined, unknown, spawned, done, digest_matches"
        )
        row = self.service.database.rows(
            f"select {names} from rollcall.run_progress where run_no = %s", (self.no,)
        )[0]
        return dict(zip(names.split(", "), row))

    def complete(self):
        p = self.progress()
        return p["done"] == p["planned"] and p["planned"] > 0

    def outcomes(self, type_name=None):
        """{subject: (outcome, reason)} of the ledger."""
        return {
            r[0]: (r[1], r[2])
            for r in self.service.database.rows(
                "select subject, outcome, reason from rollcall.outcome_named where run_no = %s and"
                " (%s::text is null or type = 'club.' || %s)",
                (self.no, type_name, type_name),
            )
        }


def replace(path, text):
    """A program that starts beside this reads the one text or the other, never a part."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.replace(path)


class Service:
    """A database, topics, a configuration; workers that are started, signalled and killed."""

    def __init__(
        self,
        broker,
        database,
        folder,
        prefix,
        partitions=4,
        people=0,
        session="6s",
        config="",
        retry='attempts = 3; base = "100ms"; max = "300ms"; version_wait = "0s";',
        pack_cfg=PACK_CFG,
        more="",
        **settings,
    ):
        self.broker, self.database, self.folder, self.prefix, self.partitions = (
            broker,
            database,
            folder,
            prefix,
            partitions,
        )
        self.embedded = hasattr(broker, "file")
        self.settings = {"lanes": '[ "jobs", "tasks", "urgent", "mail" ]', **settings}
        self.config_extra, self.session = config, session
        self.mail = 'transport = "maildir"; maildir = "mail";'
        self.conninfo, self.retry, self.more = database.conninfo, retry, more
        self.started, self._producer, self.pack_cfg = [], None, pack_cfg
        for path, text in FILES.items():
            (folder / "club" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "club" / path).write_text(text)
        os.chmod(folder / "club/hook.url", 0o600)
        (folder / "reports").mkdir(exist_ok=True)
        self.write()
        database.execute(TABLES)
        self.rollcall("db", "apply")
        self.rollcall("topics", "apply")
        self.people(people)

    @property
    def config(self):
        return self.folder / "rollcall.cfg"

    def write(self, more=""):
        replace(self.folder / "club/pack.cfg", self.pack_cfg)
        where = (
            f'embedded = "{self.broker.file}"'
            if self.embedded
            else f'brokers = "{self.broker.bootstrap}"'
        )
        worker = "".join(f" {name} = {value};" for name, value in self.settings.items())
        text = f"""
database = {{ conninfo = "{self.conninfo}"; connect_timeout = "2s"; }};
kafka = {{ {where}; prefix = "{self.prefix}"; session_timeout = "{self.session}";
    partitions = {self.partitions}; {self.config_extra} }};
worker = {{{worker} }};
retry = {{ {self.retry} }};
mail = {{ {self.mail} domain = "mail.example.org"; connect_timeout = "1s"; message_timeout = "3s";
    }};
reports = {{ folder = "reports"; }};
packs = ( {{ path = "club"; }} );
{self.more}
"""
        replace(self.config, text + more)

    def topic(self, lane="tasks"):
        return (
            f"{self.prefix}.{lane}"
            if lane in ("jobs", "tasks", "results", "dead-letters")
            else f"{self.prefix}.tasks.{lane}"
        )

    def rollcall(self, *args):
        done = subprocess.run(
            [program("rollcall"), "-c", str(self.config), *args],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def tried(self, *args):
        """The same, whatever comes of it."""
        return subprocess.run(
            [program("rollcall"), "-c", str(self.config), *args],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    def people(self, count, **columns):
        self.database.execute(
            "insert into person (id, email) select n, 'p' || n || '@example.org' from"
            " generate_series(1, %s) n",
            (count,),
        )

    # ---- publishing

    @property
    def producer(self):
        if not self._producer:
            self._producer = Producer(
                {
                    "bootstrap.servers": self.broker.bootstrap,
                    "linger.ms": 5,
                    "partitioner": "murmur2_random",
                    "enable.idempotence": not self.embedded,
                    "queue.buffering.max.messages": 1000000,
                    "log_level": 0,
                    "message.max.bytes": 1048588,
                }
            )
        return self._producer

    def send_raw(self, value, key=b"k", lane="tasks", partition=-1, places=None):
        def delivered(error, message):
            assert error is None, error
            if places is not None:
                places.append((message.topic(), message.partition(), message.offset()))

        while True:
            try:
                self.producer.produce(
                    self.topic(lane), value, key, partition=partition, on_delivery=delivered
                )
                break
            except BufferError:
                self.producer.poll(0.05)
        self.producer.poll(0)

    def lane_of(self, type_name):
        """Where the pack's tasks of that type go."""
        name = type_name.split(".")[1]
        found = re.search(rf'name = "{name}"; action = "(\w+)";( lane = "(\w+)")?', PACK_CFG)
        return (found[3] or ("mail" if found[1] == "email" else "tasks")) if found else "tasks"

    def send(self, tasks, lane="tasks"):
        for task in tasks:
            self.send_raw(task.bytes, task.subject.encode(), lane)
        assert self.producer.flush(60) == 0

    def send_bulk(self, run, type_name, subjects, lane="tasks"):
        """Plans and publishes many tasks of a run, encoded by a template."""
        name = f"club.{type_name}"
        sample = run.task(type_name, 1).bytes
        head, tail = TASK_MARK, sample[10 + 16 + 1 + 16 + 1 + len(name) + 2 :]
        middle = sample[26 : 26 + 1 + 16 + 1 + len(name)]
        assert len(name) < 64 and sample == head + sample[10:26] + middle + b"\x021" + tail
        x, count, space = 0, 0, run.id.bytes
        for n in subjects:
            subject = str(n).encode()
            task = bytearray(
                hashlib.sha1(space + name.encode() + b"\0" + subject + b"\0").digest()[:16]
            )
            task[6], task[8] = task[6] & 0x0F | 0x50, task[8] & 0x3F | 0x80
            x, count = x ^ int.from_bytes(task, "big"), count + 1
            self.send_raw(
                head + bytes(task) + middle + bytes([2 * len(subject)]) + subject + tail,
                subject,
                lane,
            )
        assert self.producer.flush(120) == 0
        self.database.execute(
            "update rollcall.run set planned = %s, planned_digest_a = %s, planned_digest_b = %s"
            " where run_no = %s",
            (count, signed(x >> 64), signed(x & ((1 << 64) - 1)), run.no),
        )

    def bomb(self, lane, codec, messages=1, size=200 * 1024 * 1024, partition=0):
        """One batch; the offset of its first message. `lane` may be a topic's whole name."""
        topic = lane if "." in lane else self.topic(lane)
        producer = Producer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "compression.type": codec,
                "linger.ms": 60000,  # the flush ends it: on a slow machine, too, it is one batch
                "message.max.bytes": 900 * 1024 * 1024,
                "batch.size": 900 * 1024 * 1024,
                "queue.buffering.max.kbytes": 2000 * 1024,
                "batch.num.messages": 100000,
                "request.timeout.ms": 300000,  # the broker opens it: not to be sent twice
                "log_level": 0,
            }
        )
        places = []

        def delivered(error, message):
            assert error is None, error
            places.append(message.offset())

        for _ in range(messages):
            producer.produce(
                topic, bytes(size // messages), b"k", partition=partition, on_delivery=delivered
            )
        assert producer.flush(300) == 0
        assert sorted(places) == list(range(min(places), min(places) + messages))
        return min(places)

    # ---- workers

    def start(self, ready=True, lanes=None, env=None, **settings):
        saved = dict(self.settings)
        self.settings.update(settings)
        if lanes:
            self.settings["lanes"] = "[ " + ", ".join(f'"{lane}"' for lane in lanes) + " ]"
        self.write()
        options = "detect_leaks=1:abort_on_error=0"
        worker = Process(
            [program("rollcall-worker"), "-c", self.config],
            self.folder / f"worker.{len(self.started)}",
            env={"ASAN_OPTIONS": options, "UBSAN_OPTIONS": "print_stacktrace=1", **(env or {})},
        )
        worker.stopped = False
        self.started.append(worker)
        self.settings = saved
        if ready:
            worker.wait_until(lambda: 'msg="ready"' in worker.text())
            self.write()
        return worker

    def logs(self):
        rows = self.database.rows(
            "select topic, partition, epoch, owner, next, sequence, published from"
            " rollcall.position order by 1, 2"
        )
        return "\n".join(
            [f"--- {w.log}\n{w.text()[-3000:]}" for w in self.started] + [str(row) for row in rows]
        )

    def wait(self, condition, timeout=180, what=""):
        end = time.monotonic() + timeout
        while True:
            result = condition()
            if result:
                return result
            for w in self.started:
                assert w.running() or w.stopped, (
                    f"{w.log} ended with {w.child.returncode}:\n{self.logs()}"
                )
            assert time.monotonic() < end, (
                f"{what or 'it'} did not come about in {timeout} s:\n{self.logs()}"
            )
            time.sleep(0.02)

    def wait_log(self, worker, pattern, timeout=120):
        return self.wait(lambda: re.search(pattern, worker.text()), timeout, repr(pattern))

    def kill(self, worker):
        worker.stopped = True
        worker.kill()

    def stop(self, worker, timeout=30):
        """Drains; the exit status."""
        worker.stopped = True
        return worker.stop(timeout=timeout)

    def stop_all(self):
        for w in self.started:
            if w.running() and not w.stopped:
                assert self.stop(w) == 0, self.logs()
        self.sanitized()

    def sanitized(self):
        for w in self.started:
            text = w.text()
            assert "Sanitizer" not in text and "runtime error" not in text, text[-6000:]

    def close(self):
        for w in self.started:
            if w.running():
                w.kill()

    # ---- what came of it

    def position(self, lane="tasks"):
        return int(
            self.database.value(
                "select coalesce(sum(next), 0) from rollcall.position where topic = %s",
                (self.topic(lane),),
            )
        )

    def acknowledged(self):
        """Everything decided is on the results topic, and the table has it."""
        return self.database.value(
            "select bool_and(p.published >= greatest((select coalesce(max(sequence), 0) from"
            " rollcall.outcome o where o.source_no = p.source_no and o.outcome >= 0), (select"
            " coalesce(max(sequence), 0) from rollcall.dead_letter d where d.source_no ="
            " p.source_no), (select coalesce(max(last_sequence), 0) from rollcall.outcome_batch b"
            " where b.source_no = p.source_no))) from rollcall.position p"
        )

    def caught_up(self, lane):
        """The workers have consumed all that the topic has."""
        topic = self.topic(lane)
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "group.id": f"{self.prefix}.check",
                "log_level": 0,
            }
        )
        try:
            ends = {
                n: consumer.get_watermark_offsets(TopicPartition(topic, n), 10)[1]
                for n in consumer.list_topics(topic, 10).topics[topic].partitions
            }
        finally:
            consumer.close()
        rows = dict(
            self.database.rows(
                "select partition, next from rollcall.position where topic = %s", (topic,)
            )
        )
        return all(end == 0 or rows.get(n) == end for n, end in ends.items())

    def read(self, lane="results"):
        """Every message of a topic: (partition, offset, key, kind, record)."""
        topic = self.topic(lane)
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "group.id": f"{self.prefix}.check",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        found = []
        try:
            known = consumer.list_topics(topic, 10).topics[topic].partitions
            left = set(known)
            consumer.assign([TopicPartition(topic, p, 0) for p in known])
            end = time.monotonic() + 60
            while left:
                assert time.monotonic() < end
                for m in consumer.consume(1000, 0.2):
                    if m.error():
                        left.discard(m.partition())
                    else:
                        kind, record = decode(m.value())
                        found.append((m.partition(), m.offset(), m.key(), kind, record))
        finally:
            consumer.close()
        return found

    def events(self, repeats=False):
        """{event_id: record} of the results topic; with `repeats` an event may be there more
        than once, but then equal.
        """
        self.wait(self.acknowledged, 40, "all is acknowledged")
        events, latest = {}, {}
        for partition, _, key, kind, record in self.read():
            assert kind == "outcome" and key == record["subject"].encode()
            assert record["event_id"] == event_id(
                record["task_id"], record["outcome"], record["attempt"]
            )
            seen = events.setdefault(record["event_id"], record)
            assert repeats or seen is record, record
            assert seen == record
            if (
                seen is record
                # what is new stands in order: a reader that drops lower numbers as repetitions
                # loses
                # nothing
            ):
                place = (partition, record["source_topic"], record["source_partition"])
                assert record["sequence"] > latest.get(place, 0), record
                latest[place] = record["sequence"]
        return events

    def check_ledger(self, events):
        """The results topic says what the ledger says, row by row."""
        rows = self.database.rows(
            "select r.run_id, o.type, o.subject, o.item, o.outcome, o.reason, o.before, o.after,"
            " o.at, o.dry_run, o.attempt, o.task_id, o.actor, p.topic, p.partition, x.src_offset,"
            " x.sequence from rollcall.outcome_named o join rollcall.outcome_all x using (run_no,"
            " day, type_no, subject, item, at) left join rollcall.run r on r.run_no = o.run_no join"
            " rollcall.position p on p.source_no = x.source_no where o.outcome not in ('pending',"
            " 'waiting') and x.task_id is not distinct from o.task_id"
        )
        ledger = {}
        for (
            run,
            type_name,
            subject,
            item,
            outcome,
            reason,
            before,
            after,
            at,
            dry,
            attempt,
            task_id,
            actor,
            topic,
            partition,
            offset,
            sequence,
        ) in rows:
            task = task_id or uuid.uuid5(run, f"{type_name}\0{subject}\0{item}")
            ledger[event_id(task, outcome, attempt)] = (
                task,
                run,
                type_name,
                subject,
                item,
                outcome,
                reason,
                before,
                after,
                at,
                dry,
                attempt,
                actor,
                topic,
                partition,
                offset,
                sequence,
            )
        names = (
            "task_id run_id type subject item outcome reason before after at dry_run attempt actor"
            " source_topic source_partition source_offset sequence"
        ).split()
        wire = {i: tuple(e[n] for n in names) for i, e in events.items()}
        assert wire == ledger

    def journal(self):
        return Counter(
            tuple(r) for r in self.database.rows("select subject, type, run from journal")
        )

    def mails(self, folder=None):
        found = []
        paths = sorted((folder or self.folder / "mail/new").glob("*"))
        for path in paths:
            if path.suffix in (".json", ".part") or path.name == "connections":
                continue
            raw = path.read_bytes()
            m = email.message_from_bytes(raw, policy=email.policy.default)
            text, html = m.get_body(("plain",)), m.get_body(("html",))
            found.append(
                MailSeen(
                    m["To"].addresses[0].addr_spec,
                    m["Message-ID"],
                    m["Subject"],
                    text.get_content() if text else None,
                    html.get_content() if html else None,
                    raw,
                )
            )
        return found

    def letters(self):
        """{(topic, partition, offset): record} of the dead-letter topic."""
        return {
            (r["topic"], r["partition"], r["offset"]): r
            for _, _, _, kind, r in self.read("dead-letters")
            if kind == "letter"
        }

# SPDX-License-Identifier: Apache-2.0
"""The invariants of docs/reliability.md, checked from PostgreSQL and from the topics, read from
their first message to their last.

Shares nothing with the programs but the contract: docs/messages.md, the schemas, and the tables.
Knows the pack of fault_pack.py: each effect leaves a row
in `trace`, which has no unique key; `fence_log` and `ledger_log` are filled by triggers; each
mail is a file in the sink's folder.
"""

import argparse
import io
import json
import re
import sys
import uuid
from collections import Counter, defaultdict, namedtuple
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from pathlib import Path

import fastavro
import psycopg
from confluent_kafka import Consumer, TopicPartition
from fastavro.schema import fingerprint, to_parsing_canonical_form

RUN_SPACE = uuid.UUID("5f0c8a52-3b6e-4f5e-9d0a-7c1e2b9a4d11")
LETTER_SPACE = uuid.UUID("5d0c6b0e-4a8f-4d1b-9c52-0a6e713fd824")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = {0: "applied", 1: "skipped", 2: "failed", 3: "quarantined", 4: "unknown"}
SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
MAIL_TYPES = {"club.greet", "club.careful"}
TRACED = {
    "club.bump",
    "club.enrol",
    "club.welcome",
    "club.thanks",
    "club.grant",
    "club.purge",
    "club.nap",
    "club.hourly",
}
OPEN = ("requested", "planned", "held for review", "published")
WHOLE = ("succeeded", "completed with errors")
LONG = 1024 * 1024
UNREADABLE = re.compile(r"offsets (\d+) to (\d+) cannot be read")
SECRETS = re.compile(r"[a-z0-9.]+@example\.org|hunter2|geheim", re.I)

Message = namedtuple("Message", "topic partition offset key value")
Task = namedtuple(
    "Task", "run type subject item"
)  # run: its number, 0 for ad-hoc (whose subject and item are unique)


def load_schemas(folder=SCHEMAS):
    found = {}
    for name in ("task", "outcome", "run", "dead-letter"):
        raw = json.loads((folder / f"{name}.avsc").read_text())
        mark = b"\xc3\x01" + bytes.fromhex(
            fingerprint(to_parsing_canonical_form(raw), "CRC-64-AVRO")
        )
        found[mark] = (name, fastavro.parse_schema(raw))
    return found


def decode(schemas, value):
    """(kind, record), or (None, None) of what is not ours."""
    entry = schemas.get(value[:10]) if value else None
    if not entry:
        return None, None
    stream = io.BytesIO(value[10:])
    try:
        record = fastavro.schemaless_reader(stream, entry[1])
    except Exception:  # whatever fastavro says about poison
        return None, None
    if stream.read(1):
        return None, None
    for field in ("event_id", "task_id", "run_id"):
        if record.get(field) is not None:
            record[field] = (
                record[field]
                if isinstance(record[field], uuid.UUID)
                else uuid.UUID(bytes=bytes(record[field]))
            )
    return entry[0], record


def read_topics(bootstrap, topics, timeout=60):
    """Every message that is there, in the order of each partition; and {(topic, partition):
    (first, end)}.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"verify-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
            "auto.offset.reset": "error",
            "log_level": 0,
        }
    )
    messages, ends = [], {}
    try:
        for topic in topics:
            meta = consumer.list_topics(topic, 10).topics[topic]
            for partition in meta.partitions:
                ends[topic, partition] = consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), 10
                )
        left = {k for k, (low, high) in ends.items() if low < high}
        consumer.assign([TopicPartition(t, p, ends[t, p][0]) for t, p in left])
        stop = datetime.now().timestamp() + timeout
        while left:
            for m in consumer.consume(2000, 0.5):
                if m.error():
                    raise RuntimeError(f"{m.topic()}/{m.partition()}: {m.error()}")
                place = (m.topic(), m.partition())
                if m.offset() < ends[place][1]:
                    value = (
                        m.value()
                    )  # nothing of ours is that long: what a bomb opens to is not kept
                    messages.append(
                        Message(*place, m.offset(), m.key(), value[:LONG] if value else value)
                    )
                if m.offset() + 1 >= ends[place][1]:
                    left.discard(place)
            if datetime.now().timestamp() > stop:
                raise TimeoutError(f"{left} cannot be read to the end")
    finally:
        consumer.close()
    messages.sort(key=lambda m: m[:3])
    return messages, ends


def read_mails(folder):
    """(Message-ID, file) of each mail in a sink's folder or Maildir."""
    found = []
    for path in sorted(Path(folder).glob("*.eml")) if folder else []:
        message = message_from_bytes(path.read_bytes())
        found.append((message["Message-ID"].strip("<> ").split("@")[0], path.name))
    return found


class State:
    """All that is checked, as plain values: what test_verify.py spoils."""

    def __init__(
        self,
        conninfo,
        bootstrap,
        prefix,
        mails=None,
        logs=None,
        lanes=("jobs", "tasks", "tasks.urgent", "tasks.mail"),
        services=(),
    ):
        self.prefix = prefix
        self.lanes = [f"{prefix}.{lane}" for lane in lanes]
        self.intakes = [f"{prefix}.intake.{service}" for service in services]
        self.results, self.letters = f"{prefix}.results", f"{prefix}.dead-letters"
        self.messages, self.ends = (
            read_topics(bootstrap, [*self.lanes, *self.intakes, self.results, self.letters])
            if bootstrap
            else ([], {})
        )
        self.mails = read_mails(mails)
        self.logs = (
            {p.name: p.read_text(errors="replace") for p in sorted(Path(logs).glob("*.log"))}
            if logs
            else {}
        )
        with psycopg.connect(conninfo, autocommit=True) as db:
            db.execute("set time zone 'UTC'")
            self.load(db)

    def load(self, db):
        def rows(sql):
            cursor = db.execute(sql)
            row = namedtuple("Row", [c.name for c in cursor.description], rename=True)
            return [row(*r) for r in cursor.fetchall()]

        self.types = dict(db.execute("select type_no, name from rollcall.task_type").fetchall())
        self.runs = rows("select * from rollcall.run")
        self.plan = rows("select * from rollcall.plan order by run_no, chunk")
        self.positions = rows("select * from rollcall.position")
        self.ledger = rows(
            "select run_no, src_offset, sequence, at, source_no, type_no, outcome, attempt,"
            " dry_run, subject, item, reason, before, after, follow_ups, task_id, replaces from"
            " rollcall.outcome_all"
        )
        self.batches = rows("select * from rollcall.outcome_batch order by run_no, chunk, first")
        self.progress = rows("select * from rollcall.progress")
        self.dead = rows(
            "select source_no, src_offset, sequence, reason, key, value from rollcall.dead_letter"
        )
        self.totals = rows("select * from rollcall.run_total")
        self.days = rows("select * from rollcall.day_total")
        self.trace = rows("select * from trace order by n")
        self.sent = rows("select subject, item, run from sent")
        self.deleted = rows("select * from deleted")
        self.fences = rows("select * from fence_log order by n")
        self.ledger_log = rows("select * from ledger_log order by n")
        self.held = rows(
            "select source_no, src_offset, state, subject, type_no, due_at from rollcall.held"
        )
        self.requests = rows(
            "select request_no, kind, actor, about, type_no, dry_run, task_ids, subjects, items,"
            " published_at, again from rollcall.request"
        )
        self.paused = rows(
            "select type_no, reason, resumed_at, published_again_at from rollcall.paused_type"
        )


class Report:
    def __init__(self):
        self.violations, self.numbers, self.counts = [], {}, Counter()

    def wrong(self, invariant, text):
        self.counts[invariant] += 1
        if self.counts[invariant] <= 12:
            self.violations.append(f"{invariant}: {text}")

    def text(self):
        numbers = "  ".join(f"{k}={v}" for k, v in self.numbers.items())
        return "\n".join([f"verified: {numbers}", *self.violations])


class Verify:
    """`repeated_mails`: why a mail may be there twice in this case (None: it may not). `lag`:
    everything has been taken. `gone`: messages of lanes may be
    missing from the topics' first offset on (deleted or re-created in this case). `cancel_grace`:
    seconds after a run's cancellation in which what was in hand
    may still be done; as long as a worker may sleep in this case, and a moment.
    """

    def __init__(
        self, state, repeated_mails=None, lag=True, gone=False, totals=True, cancel_grace=3
    ):
        self.s, self.repeated_mails, self.lag, self.gone, self.totals = (
            state,
            repeated_mails,
            lag,
            gone,
            totals,
        )
        self.cancel_grace = timedelta(seconds=cancel_grace)
        self.r = Report()
        self.schemas = load_schemas()
        self.runs = {r.run_no: r for r in state.runs}
        self.runs_by_id = {r.run_id: r for r in state.runs}
        self.numbers_of_types = {name: n for n, name in state.types.items()}
        self.sources = {p.source_no: p for p in state.positions}
        self.decoded = [(m, *decode(self.schemas, m.value)) for m in state.messages]
        self.ever_paused = {z.type_no for z in state.paused}

    def run(self):
        for step in (
            self.identity,
            self.plan,
            self.places,
            self.ledger,
            self.lanes,
            self.requests,
            self.waiting,
            self.stopped,
            self.effects,
            self.events,
            self.letters,
            self.progress,
            self.fold,
            self.mails,
            self.deletions,
            self.fencing,
            self.logs,
        ):
            step()
        return self.r

    # ---- who is who

    def task_id(self, row):
        """Of a ledger row: by the rules of docs/messages.md."""
        if row.task_id is not None:
            return row.task_id
        return uuid.uuid5(
            self.runs[row.run_no].run_id, f"{self.s.types[row.type_no]}\0{row.subject}\0{row.item}"
        )

    def follow_up_id(self, row, name):
        space = self.runs[row.run_no].run_id if row.run_no else row.task_id
        return uuid.uuid5(space, f"{name}\0{row.subject}\0{row.item}")

    def identity(self):
        slots = Counter()
        for run in self.s.runs:
            micros = round((run.scheduled_at - EPOCH).total_seconds() * 1_000_000)
            slots[run.pack, run.job, run.scheduled_at] += 1
            if run.run_id != uuid.uuid5(RUN_SPACE, f"{run.pack}\0{run.job}\0{micros}"):
                self.r.wrong("L", f"run {run.run_no} has another id than its job and instant give")
        for slot, n in slots.items():
            if n > 1:
                self.r.wrong("L", f"{n} runs of {slot}")

    # ---- L: what batches decided stands in its places of the plan, once, and was taken there

    def places(self):
        chunks = {(p.run_no, p.chunk): p for p in self.s.plan}
        progress = {(p.run_no, p.source_no): p.place or 0 for p in self.s.progress}
        taken = set()
        for b in self.s.batches:
            p = chunks.get((b.run_no, b.chunk))
            name = f"run {b.run_no}: the batch at {b.chunk}/{b.first}"
            if p is None or p.partition is None or b.first + b.n > len(p.subjects):
                self.r.wrong("L", f"{name} is not in the plan")
            for i in range(b.n):
                if len(b.outcome) > 1 and b.outcome[i] is None:
                    continue
                place = (b.run_no, b.chunk, b.first + i)
                if place in taken:
                    self.r.wrong("L", f"{name} has a place that another one has")
                taken.add(place)
            if progress.get((b.run_no, b.source_no), 0) < (b.chunk << 20) + b.first + b.n:
                self.r.wrong("L", f"{name} is beyond what was taken")
            if self.runs[b.run_no].by_task:
                self.r.wrong("L", f"{name} belongs to a run that is kept by task")

    # ---- L: each planned task has exactly one outcome

    def plan(self):
        self.planned, self.adhoc_spawned = {}, set()
        spawned = defaultdict(set)
        for row in self.s.ledger:
            if row.outcome == 0 and not row.dry_run:
                for name in row.follow_ups or []:
                    (
                        self.adhoc_spawned.add(self.follow_up_id(row, name))
                        if not row.run_no
                        else spawned[row.run_no].add(Task(row.run_no, name, row.subject, row.item))
                    )
        chunks = Counter(p.run_no for p in self.s.plan)
        own = defaultdict(list)
        for p in self.s.plan:
            for n, subject in enumerate(p.subjects):
                own[p.run_no].append(
                    Task(p.run_no, self.s.types[p.type_no], subject, p.items[n] if p.items else "")
                )
        for run in self.s.runs:
            tasks, follow = own[run.run_no], spawned[run.run_no]
            planned = [
                t for t in tasks if t not in follow
            ]  # a run that changed its cluster has plan chunks of its follow-ups too
            x = 0
            for t in set(planned):
                x ^= uuid.uuid5(run.run_id, f"{t.type}\0{t.subject}\0{t.item}").int
            halves = tuple(h - (1 << 64) if h >> 63 else h for h in (x >> 64, x & (1 << 64) - 1))
            if run.state not in ("requested", "refused") and (
                len(planned) != run.planned
                or len(set(planned)) != run.planned
                or halves != (run.planned_digest_a, run.planned_digest_b)
                or chunks[run.run_no] != run.chunks
            ):
                if run.planned_at is not None:
                    self.r.wrong(
                        "L",
                        f"run {run.run_no}: the plan has {len(planned)} tasks, the run says"
                        f" {run.planned}, or their digests differ",
                    )
            self.planned[run.run_no] = set(planned) | follow
            if run.state in OPEN:
                self.r.wrong("V", f"run {run.run_no} of {run.job} is still {run.state}")
        self.r.numbers["planned"] = sum(len(p) for p in self.planned.values())

    def ledger(self):
        done = Counter()
        for row in self.s.ledger:
            if row.outcome >= 0:
                done[
                    (
                        Task(row.run_no, self.s.types[row.type_no], row.subject, row.item)
                        if row.run_no
                        else row.task_id
                    )
                ] += 1
            elif self.lag:
                self.r.wrong(
                    "L",
                    f"{self.s.types[row.type_no]} {row.subject} of run {row.run_no} has outcome"
                    f" {row.outcome}, no terminal one",
                )
        for what, n in done.items():
            if n > 1:
                self.r.wrong("L", f"{n} outcomes of {what}")
        for run_no, tasks in self.planned.items():
            missing = tasks - set(done)
            if self.runs[run_no].state in WHOLE and missing:
                self.r.wrong(
                    "L",
                    f"run {run_no} is {self.runs[run_no].state}, but {len(missing)} of its tasks"
                    f" have no outcome, such as {sorted(missing)[0]}",
                )
            elif self.lag and missing and self.runs[run_no].state != "cancelled":
                self.r.wrong(
                    "L",
                    f"run {run_no}: {len(missing)} tasks have no outcome, such as"
                    f" {sorted(missing)[0]}",
                )
        for what in done:
            if isinstance(what, Task) and what not in self.planned.get(what.run, ()):
                self.r.wrong("L", f"an outcome that nobody planned: {what}")
        self.done = done
        self.r.numbers.update(
            outcomes=sum(done.values()), adhoc=sum(1 for d in done if not isinstance(d, Task))
        )

    def dead_places(self):
        """(topic, partition, offset) of what a dead letter tells of; that of a batch which
        cannot be read tells of each of its messages.
        """
        found = set()
        for d in self.s.dead:
            source = self.sources.get(d.source_no)
            batch = UNREADABLE.search(d.reason)
            if source:
                found |= {
                    (source.topic, source.partition, n)
                    for n in (range(int(batch[1]), int(batch[2]) + 1) if batch else [d.src_offset])
                }
        return found

    def passed_over(self, record):
        """Of a type that was paused, and of a run that was cancelled before it resumed: nobody
        does it any more.
        """
        run = self.runs_by_id.get(record["run_id"])
        return (
            run is not None
            and run.state == "cancelled"
            and self.numbers_of_types.get(record["type"]) in self.ever_paused
        )

    def lanes(self):
        """What is on the lanes has been taken, and all that is planned is on the lanes."""
        by_id = {}
        for row in self.s.ledger:
            by_id[self.task_id(row)] = row
        dead = self.dead_places()
        on_lanes, self.places = set(), {}
        for m, kind, record in self.decoded:
            if m.topic not in self.s.lanes:
                continue
            if kind == "run":
                continue
            if kind != "task":
                if self.lag and (m.topic, m.partition, m.offset) not in dead:
                    self.r.wrong(
                        "L",
                        f"{m.topic}/{m.partition}/{m.offset} is no task, and no dead letter tells"
                        " of it",
                    )
                continue
            on_lanes.add(record["task_id"])
            self.places[m.topic, m.partition, m.offset] = record
            if (
                self.lag
                and record["task_id"] not in by_id
                and (m.topic, m.partition, m.offset) not in dead
                and not self.passed_over(record)
            ):
                self.r.wrong(
                    "L",
                    f"task {record['task_id']} ({record['type']}) at"
                    f" {m.topic}/{m.partition}/{m.offset} has neither outcome nor dead letter",
                )
            if m.key != record["subject"].encode() and (m.topic, m.partition, m.offset) not in dead:
                self.r.wrong("L", f"{m.topic}/{m.partition}/{m.offset}: its key is not its subject")
        for run in self.s.runs:
            if run.state in WHOLE and not self.gone:
                for t in self.planned[run.run_no]:
                    if uuid.uuid5(run.run_id, f"{t.type}\0{t.subject}\0{t.item}") not in on_lanes:
                        self.r.wrong("L", f"{t} was never published")
        self.on_lanes, self.by_id, self.dead = on_lanes, by_id, dead
        for task in self.adhoc_spawned - on_lanes:
            self.r.wrong("L", f"follow-up {task} of an ad-hoc task was never published")
        for (topic, partition), (_first, end) in self.s.ends.items() if self.lag else ():
            if topic == self.s.letters or end == 0:
                continue
            positions = [
                p.next for p in self.s.positions if p.topic == topic and p.partition == partition
            ]
            if not positions or max(positions) != end:
                self.r.wrong("V", f"{topic}/{partition} ends at {end}, its position is {positions}")

    # ---- what was requested in the database, or through an intake topic

    def requests(self):
        asked = {}
        for q in self.s.requests:
            if q.kind != "tasks":
                continue
            if self.lag and (q.published_at is None or q.again):
                self.r.wrong(
                    "V", f"request {q.request_no} of {q.actor} ({q.about}) is not published"
                )
            for n, task in enumerate(q.task_ids):
                asked[task] = (
                    self.s.types[q.type_no],
                    q.subjects[n],
                    q.items[n] if q.items else "",
                )
                row = self.by_id.get(task)
                if self.lag and row is None:
                    self.r.wrong(
                        "L",
                        f"task {task} ({q.about} {q.subjects[n]}) of request {q.request_no} has no"
                        " outcome",
                    )
                if (
                    q.published_at is not None
                    and task not in self.on_lanes
                    and not self.gone
                    and not (row and row.outcome == 2)
                ):
                    self.r.wrong(
                        "L",
                        f"task {task} of request {q.request_no} is said to be published, and is on"
                        " no lane",
                    )
        for m, kind, record in self.decoded:
            if (
                m.topic in self.s.intakes
                and self.lag
                and (m.topic, m.partition, m.offset) not in self.dead
            ):
                if kind != "task":
                    self.r.wrong(
                        "L",
                        f"{m.topic}/{m.partition}/{m.offset} is no request, and no dead letter"
                        " tells of it",
                    )
                elif asked.get(record["task_id"]) != (
                    record["type"],
                    record["subject"],
                    record["item"],
                ):
                    self.r.wrong(
                        "L",
                        f"what {m.topic}/{m.partition}/{m.offset} asks for ({record['type']}"
                        f" {record['subject']}) was never filed, or otherwise",
                    )
        self.r.numbers["requested"] = len(asked)

    # ---- V: nothing waits forever

    def waiting(self):
        if not self.lag:
            return
        for h in self.s.held:
            if h.state not in ("quarantined", "behind") and not (
                h.state == "record" and h.due_at is None
            ):
                self.r.wrong(
                    "V",
                    f"{self.s.types[h.type_no]} {h.subject} waits still: {h.state}, due at"
                    f" {h.due_at}",
                )
        for z in self.s.paused:
            if z.resumed_at is None:
                self.r.wrong("V", f"{self.s.types[z.type_no]} is still paused: {z.reason}")
            elif z.published_again_at is None:
                self.r.wrong(
                    "V",
                    f"{self.s.types[z.type_no]} is resumed, and what it owes was not published"
                    " again",
                )

    # ---- E: runs that were cancelled, or held for review

    def stopped(self):
        """A run's effects end with its cancellation, but for what was in hand; a run that is
        held for review has none before its release.
        """
        cancelled = {r.run_no: r for r in self.s.runs if r.state == "cancelled"}
        held = {r.run_no: r for r in self.s.runs if r.held_at is not None}
        late = Counter()
        for row in self.s.ledger:
            run = cancelled.get(row.run_no)
            if run and row.outcome == 0 and row.at > run.closed_at + self.cancel_grace:
                self.r.wrong(
                    "E",
                    f"{self.s.types[row.type_no]} {row.subject} of run {row.run_no} was done at"
                    f" {row.at}, the run was cancelled at {run.closed_at}",
                )
            late[row.run_no] += bool(run and row.outcome == 0 and row.at > run.closed_at)
            run = held.get(row.run_no)
            if run and row.outcome >= 0 and (run.released_at is None or row.at < run.released_at):
                self.r.wrong(
                    "E",
                    f"{self.s.types[row.type_no]} {row.subject} of run {row.run_no} was done, and"
                    " nobody had released it by then",
                )
        for m, kind, record in self.decoded:
            run = (
                self.runs_by_id.get(record["run_id"])
                if kind == "task" and m.topic in self.s.lanes
                else None
            )
            if run and run.run_no in held and run.released_at is None:
                self.r.wrong(
                    "E",
                    f"{m.topic}/{m.partition}/{m.offset} is a task of run {run.run_no}, which is"
                    " held for review",
                )
        self.r.numbers.update(
            cancelled=len(cancelled),
            done_after_cancelling=sum(late.values()),
            held_for_review=len(held),
            released=sum(1 for r in held.values() if r.released_at is not None),
        )

    # ---- E: one effect per applied task, none for others

    def effects(self):
        wanted = Counter()
        for row in self.s.ledger:
            name = self.s.types[row.type_no]
            if row.outcome == 0 and not row.dry_run and name in TRACED:
                wanted[
                    str(self.runs[row.run_no].run_id) if row.run_no else "",
                    name,
                    row.subject,
                    row.item,
                ] += 1
        made = Counter((t.run, t.type, str(t.subject), t.item) for t in self.s.trace)
        for key in wanted.keys() | made.keys():
            if wanted[key] != made[key]:
                self.r.wrong(
                    "E", f"{key}: applied {wanted[key]} times by the ledger, {made[key]} effects"
                )
        self.r.numbers["effects"] = sum(made.values())

    # ---- A: ledger and audit topic one to one

    FIELDS = (
        "task_id run_id type subject item outcome reason before after dry_run attempt source_topic"
        " source_partition source_offset sequence at replaces".split()
    )

    def row_fields(self, row):
        source = self.sources[row.source_no]

        def cut(t):
            return (
                t
                if t is None or len(t.encode()) <= 65536
                else t.encode()[:65536].decode(errors="ignore")
            )

        run = self.runs.get(row.run_no)
        return (
            self.task_id(row),
            run.run_id if run else None,
            self.s.types[row.type_no],
            row.subject,
            row.item,
            NAMES[row.outcome],
            cut(row.reason),
            cut(row.before),
            cut(row.after),
            row.dry_run,
            row.attempt,
            source.topic,
            source.partition,
            row.src_offset,
            row.sequence,
            row.at,
            NAMES.get(row.replaces),
        )

    def events(self):
        ledger = {}
        for row in self.s.ledger:
            if row.outcome >= 0 and (row.type_no in self.s.types):
                ledger[uuid.uuid5(self.task_id(row), f"{row.attempt}\0{NAMES[row.outcome]}")] = row
        seen, duplicates, highest = {}, 0, {}
        replaced = {self.task_id(row) for row in ledger.values() if row.replaces is not None}
        for m, kind, e in self.decoded:
            if m.topic != self.s.results:
                continue
            if kind != "outcome":
                self.r.wrong("A", f"{m.topic}/{m.partition}/{m.offset} is no outcome")
                continue
            event = e["event_id"]
            if event in seen:
                duplicates += 1
                if seen[event][0].value != m.value or seen[event][0].key != m.key:
                    self.r.wrong("A", f"event {event} was repeated with another content")
                continue
            seen[event] = (m, e)
            if event != uuid.uuid5(e["task_id"], f"{e['attempt']}\0{e['outcome']}"):
                self.r.wrong("A", f"event {event} has another id than its content gives")
            place = (m.partition, e["source_topic"], e["source_partition"])
            if e["sequence"] <= highest.get(place, 0):
                self.r.wrong(
                    "A",
                    f"event {event}: sequence {e['sequence']} comes after {highest[place]} of"
                    f" {place}: readers take it for a repetition",
                )
            highest[place] = max(e["sequence"], highest.get(place, 0))
        for event, (_, e) in seen.items():
            row = ledger.get(event)
            if row is None:
                if e["outcome"] != "quarantined" or e["task_id"] not in replaced:
                    self.r.wrong(
                        "A",
                        f"event {event} ({e['type']} {e['subject']} {e['outcome']} attempt"
                        f" {e['attempt']}) is on the topic, not in the ledger",
                    )
                continue
            wire = tuple(e[f] for f in self.FIELDS)
            said = self.row_fields(row)
            if (
                row.outcome == 0
                and row.reason == ""
                and e["reason"].startswith("applied, not recorded: ")
            ):
                said = self.row_fields(
                    row._replace(reason=e["reason"])
                )  # recorded later, when it was on the topic: `recorded` is checked in mails()
            if wire != said:
                self.r.wrong(
                    "A",
                    f"event {event} says otherwise than the ledger:"
                    f" {[(f, a, b) for f, a, b in zip(self.FIELDS, wire, said) if a != b]}",
                )
            task = self.places.get((e["source_topic"], e["source_partition"], e["source_offset"]))
            if task is None and not self.gone and e["source_topic"] not in self.s.intakes:
                self.r.wrong("A", f"event {event} names a place where no task is")
            elif task is not None and task["task_id"] != e["task_id"] and not self.gone:
                self.r.wrong("A", f"event {event} names the place of another task")
        for event in ledger.keys() - seen.keys():
            self.r.wrong(
                "A",
                f"{self.s.types[ledger[event].type_no]} {ledger[event].subject} of run"
                f" {ledger[event].run_no}: its outcome is not on the results topic",
            )
        superseded = {e["task_id"] for event, (_, e) in seen.items() if event not in ledger}
        for task in replaced - superseded:
            self.r.wrong(
                "A", f"the outcome of task {task} was replaced before its event was on the topic"
            )
        self.all_seen = seen
        self.seen = {k: v for k, v in seen.items() if k in ledger}
        self.sequences()
        self.r.numbers.update(events=len(seen), repeated_events=duplicates)

    def sequences(self):
        used, gaps = defaultdict(Counter), 0
        for row in [r for r in self.s.ledger if r.outcome >= 0] + list(self.s.dead):
            used[row.source_no][row.sequence] += 1
        for source_no, numbers in used.items():
            source = self.sources.get(source_no)
            for n, times in numbers.items():
                if times > 1:
                    self.r.wrong("A", f"sequence {n} of source {source_no} was given {times} times")
            if source and max(numbers) > source.sequence:
                self.r.wrong(
                    "A",
                    f"source {source_no} has given {max(numbers)}, its row says {source.sequence}",
                )
            # a log that another one took the place of: what it had not published, that one's owner
            # has; the numbers continue
            acknowledged = max(
                (
                    p.published
                    for p in self.s.positions
                    if source and (p.topic, p.partition) == (source.topic, source.partition)
                ),
                default=0,
            )
            if source and self.lag and acknowledged < max(numbers):
                self.r.wrong(
                    "V",
                    f"{source.topic}/{source.partition}: acknowledged up to {acknowledged} of"
                    f" {max(numbers)}",
                )
            gaps += max(numbers) - len(numbers)
        self.r.numbers["sequence_gaps"] = gaps

    def letters(self):
        told = Counter()
        clusters = defaultdict(set)
        for p in self.s.positions:
            clusters[p.topic, p.partition].add((p.cluster.split("#")[0], p.source_no))
        for m, kind, e in self.decoded:
            if m.topic != self.s.letters or kind != "dead-letter":
                continue
            told[e["topic"], e["partition"], e["offset"], e["event_id"]] += 1
            ids = {
                uuid.uuid5(
                    LETTER_SPACE,
                    f"{c}\0{e['topic']}\0{e['partition']}\0{n}\0{e['offset']}\0{e['attempts']}",
                )
                for c, n in clusters[e["topic"], e["partition"]]
            }
            if e["event_id"] not in ids:
                self.r.wrong(
                    "A",
                    f"the dead letter of {e['topic']}/{e['partition']}/{e['offset']}, attempt"
                    f" {e['attempts']}, has another id than its content gives",
                )
        places = {k[:3] for k in told}
        for d in self.s.dead:
            source = self.sources[d.source_no]
            if (source.topic, source.partition, d.src_offset) not in places:
                self.r.wrong(
                    "L",
                    f"dead letter {source.topic}/{source.partition}/{d.src_offset} is not on its"
                    " topic",
                )
        for h in self.s.held:
            source = self.sources[h.source_no]
            if (
                h.state == "quarantined"
                and (source.topic, source.partition, h.src_offset) not in places
            ):
                self.r.wrong(
                    "L",
                    "no dead letter tells of the quarantined task at"
                    f" {source.topic}/{source.partition}/{h.src_offset}",
                )
        self.r.numbers.update(
            dead_letters=len(self.s.dead), repeated_letters=sum(told.values()) - len(told)
        )

    # ---- what is counted

    def progress(self):
        counted, said = defaultdict(Counter), defaultdict(Counter)
        for row in self.s.ledger:
            if row.outcome >= 0:
                counted[row.run_no][NAMES[row.outcome]] += 1
        for p in self.s.progress:
            for name in NAMES.values():
                said[p.run_no][name] += getattr(p, name)
        for run_no in counted.keys() | said.keys():
            if +counted[run_no] != +said[run_no]:
                self.r.wrong(
                    "L",
                    f"run {run_no}: progress says {dict(+said[run_no])}, the ledger has"
                    f" {dict(+counted[run_no])}",
                )

    def fold(self):
        if not self.totals:
            return
        runs, days = defaultdict(Counter), Counter()
        for _, e in self.seen.values():
            runs[e["run_id"] or uuid.UUID(int=0), e["dry_run"]][e["outcome"]] += 1
        for (
            _,
            e,
        ) in (
            self.all_seen.values()
        ):  # totals by day count events, also those that another took the place of
            days[e["at"].date(), e["type"], e["dry_run"], e["outcome"]] += 1
        for t in self.s.totals:
            said = +Counter({n: getattr(t, n) for n in NAMES.values()})
            if said != runs.pop((t.run_id, t.dry_run), Counter()):
                self.r.wrong(
                    "A",
                    f"run_total of {t.run_id}{' (dry run)' if t.dry_run else ''} says {dict(said)}:"
                    " not what the topic has",
                )
        for run_id, count in runs.items():
            self.r.wrong("A", f"run_total lacks {run_id}: {dict(count)}")
        said = Counter()
        for d in self.s.days:
            said[d.day, d.type, d.dry_run, NAMES[d.outcome]] += d.count
        if +said != days:
            self.r.wrong(
                "A",
                f"day_total differs from a recount: {(+said) - days} too many, {days - said}"
                " too few",
            )

    # ---- M: mails

    def mails(self):
        count = Counter(message_id for message_id, _ in self.s.mails)
        by_task = {
            str(self.task_id(row)): row
            for row in self.s.ledger
            if self.s.types[row.type_no] in MAIL_TYPES
        }
        recorded = Counter((s.run, str(s.subject), s.item) for s in self.s.sent)
        repeated, counted = 0, 0
        for message_id, n in count.items():
            row = by_task.get(message_id)
            if row is None:
                self.r.wrong("M", f"mail {message_id} belongs to no task")
                continue
            if n > 1:
                repeated += n - 1
                counted += row.attempt > 1
                if not self.repeated_mails:
                    self.r.wrong(
                        "M", f"mail {message_id} was accepted {n} times, and no answer was lost"
                    )
                elif row.attempt < n and self.repeated_mails != "paused":
                    self.r.wrong(
                        "M",
                        f"mail {message_id} was accepted {n} times, its outcome says attempt"
                        f" {row.attempt}",
                    )
            if row.outcome in (1, 2, 3) and not self.repeated_mails:
                self.r.wrong(
                    "M", f"mail {message_id} was accepted, its outcome is {NAMES[row.outcome]}"
                )
        for task_id, row in by_task.items():
            if row.outcome == 0 and not row.dry_run:
                if not count[task_id]:
                    self.r.wrong("M", f"the mail of {task_id} is applied, the relay has none")
                key = (
                    str(self.runs[row.run_no].run_id) if row.run_no else "",
                    row.subject,
                    row.item,
                )
                if "applied, not recorded" not in row.reason:
                    recorded[key] -= 1
        for key, n in recorded.items():
            if n:
                self.r.wrong("E", f"mail {key} was recorded {n:+} times beside its outcome")
        self.r.numbers.update(
            mails=sum(count.values()), repeated_mails=repeated, counted_as_attempts=counted
        )

    # ---- D: nobody is deleted without condition and approval, in the transaction that deletes

    def deletions(self):
        for d in self.s.deleted:
            if not d.leaving or not d.approved:
                self.r.wrong(
                    "D",
                    f"person {d.subject} was deleted: leaving {d.leaving}, approved {d.approved}",
                )
        if self.s.deleted:
            self.r.numbers["deleted"] = len(self.s.deleted)

    # ---- F: who writes, owns

    def fencing(self):
        owners, highest, positions = {}, {}, {}
        for f in self.s.fences:
            owners[f.tx, f.source_no] = f.owner
            if f.epoch < highest.get(f.source_no, 0):
                self.r.wrong(
                    "F",
                    f"source {f.source_no}: epoch {f.epoch} was written after"
                    f" {highest[f.source_no]}",
                )
            highest[f.source_no] = max(f.epoch, highest.get(f.source_no, 0))
            if f.next < positions.get(f.source_no, 0) and not self.gone:
                self.r.wrong(
                    "F",
                    f"source {f.source_no}: the position went back from {positions[f.source_no]} to"
                    f" {f.next}",
                )
            positions[f.source_no] = f.next
        by_tx = defaultdict(set)
        for (tx, _), owner in owners.items():
            by_tx[tx].add(owner)
        for w in self.s.ledger_log:
            owner = owners.get((w.tx, w.source_no))
            if owner is None:
                self.r.wrong(
                    "F",
                    f"{w.writer} wrote outcome {w.outcome} of source {w.source_no} in a transaction"
                    " that did not check its epoch",
                )
            elif owner[:63] != w.writer:
                self.r.wrong(
                    "F",
                    f"{w.writer} wrote outcome {w.outcome} of source {w.source_no}, which {owner}"
                    " owned",
                )
        for t in (
            self.s.trace if self.s.fences else ()
        ):  # without the triggers of fault_pack.py nothing is known
            if t.writer not in {o[:63] for o in by_tx[t.tx]}:
                self.r.wrong(
                    "F",
                    f"{t.writer} made an effect ({t.type} {t.subject}) in a transaction of"
                    f" {by_tx[t.tx] or 'nobody'}",
                )

    # ---- H: nothing personal, nothing secret, no sanitizer

    def logs(self):
        for name, text in self.s.logs.items():
            found = SECRETS.search(text)
            if found:
                line = text[text.rfind("\n", 0, found.start()) + 1 : text.find("\n", found.end())]
                self.r.wrong("H", f"{name} tells an address or a secret: {line[:300]}")
            for sign in (
                "Sanitizer",
                "runtime error:",
                "Assertion",
                "assertion failed",
                "double free",
                "corrupted",
                "stack smashing",
            ):
                if sign in text:
                    self.r.wrong("H", f"{name}: {text[text.index(sign) - 100 :][:400]}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("conninfo")
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("--mails", help="the sink's folder")
    parser.add_argument("--logs", help="folder of *.log")
    parser.add_argument("--repeated-mails", help="why a mail may be there twice")
    args = parser.parse_args()
    report = Verify(
        State(args.conninfo, args.bootstrap, args.prefix, args.mails, args.logs),
        repeated_mails=args.repeated_mails,
    ).run()
    print(report.text())
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())

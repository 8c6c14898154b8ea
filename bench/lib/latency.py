"""e: an ad-hoc task, from its being handed to Kafka to its commit in PostgreSQL and to its audit event in another program's hands."""
import io
import json
import statistics
import tempfile
import threading
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path

import fastavro
from confluent_kafka import Consumer, Producer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from measure import wait
from world import REPO, Copy, Service, assigned, prepare


def schema(name):
    text = json.loads((REPO / "schemas" / name).read_text())
    return fastavro.parse_schema(text), b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(text), "CRC-64-AVRO"))


TASK, TASK_MARK = schema("task.avsc")
OUTCOME, OUTCOME_MARK = schema("outcome.avsc")


def task(task_id, subject):
    out = io.BytesIO(TASK_MARK)
    out.seek(0, 2)
    fastavro.schemaless_writer(out, TASK, {"task_id": task_id.bytes, "run_id": None, "type": "bench.touch", "subject": str(subject), "item": "",
                                           "scheduled_at": datetime.now(timezone.utc), "dry_run": False, "actor": "bench", "arguments": {}})
    return out.getvalue()


class Reader(threading.Thread):
    """Another service: notes when an audit event of one of our tasks is in its hands."""

    def __init__(self, service, wanted):
        super().__init__(daemon=True)
        self.wanted, self.seen, self.ending, self.ready = wanted, {}, False, threading.Event()
        self.consumer = Consumer({"bootstrap.servers": service.broker.bootstrap, "group.id": f"bench-{uuid.uuid4()}", "auto.offset.reset": "latest",
                                  "fetch.wait.max.ms": 10 if service.embedded else 500, "log_level": 0, "session.timeout.ms": 6000})
        self.consumer.subscribe([f"{service.prefix}.results"], on_assign=lambda c, p: self.ready.set())

    def run(self):
        while not self.ending:
            for m in self.consumer.consume(500, 0.05):
                at, value = time.time(), m.value()
                if m.error() or value[:10] != OUTCOME_MARK or b"bench.touch" not in value:
                    continue
                record = fastavro.schemaless_reader(io.BytesIO(value[10:]), OUTCOME)
                found = record["task_id"] if isinstance(record["task_id"], uuid.UUID) else uuid.UUID(bytes=bytes(record["task_id"]))
                self.seen.setdefault(found, at)
        self.consumer.close()


def percentiles(values):
    """p50 and p99 in ms."""
    ordered = sorted(values)
    return {"p50_ms": statistics.median(ordered) * 1000, "p99_ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000,
            "max_ms": ordered[-1] * 1000, "count": len(ordered)}


def submit(service, db, count, interval, first):
    """One task after the other, `interval` seconds apart."""
    sent, reader = {}, Reader(service, count)
    reader.start()
    if not reader.ready.wait(30):
        raise TimeoutError("the reader got no partitions")
    time.sleep(1)
    producer = Producer({"bootstrap.servers": service.broker.bootstrap, "linger.ms": 0, "acks": "all", "log_level": 0})
    for n in range(count):
        task_id, subject = uuid.uuid4(), first + n
        value = task(task_id, subject)
        sent[task_id] = time.time()
        producer.produce(f"{service.prefix}.tasks.urgent", value, str(subject).encode())
        producer.poll(interval)
    producer.flush(30)
    wait(lambda: len(reader.seen) >= count, 60, "the audit events")
    reader.ending = True
    reader.join()
    committed = dict(db.rows("select task_id, extract(epoch from pg_xact_commit_timestamp(xmin))::float from rollcall.outcome_adhoc where task_id = any(%s)", (list(sent),)))
    return {"submit to commit": percentiles([committed[i] - at for i, at in sent.items()]),
            "submit to audit event read": percentiles([reader.seen[i] - at for i, at in sent.items()])}


def latency(rig, o, say):
    """One worker serves both lanes; the bulk run is one of o.people tasks, whose fan-out is over."""
    result = {}
    template = prepare(rig.server, "bench", o.people + 100000, o.people, name="asked")
    for kind in o.brokers:
        rig.renew_embedded()
        db = Copy(rig.server, template)
        service = Service(Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")), db, rig.broker(kind), "bench")
        try:
            service.topics(o.people)
            scheduler = service.start("scheduler")
            service.ready(scheduler)
            worker = service.start("worker", lanes=("tasks", "urgent"))
            wait(lambda: assigned(worker) and assigned(worker, "urgent"), 60, "the groups", alive=[worker])
            idle = submit(service, db, o.requests, 0.02, o.people + 1)
            service.rollcall("jobs", "run", "bench.expire")
            wait(lambda: db.value("select coalesce(sum(applied), 0) from rollcall.progress where run_no > 0") > 0, 120, "the bulk run", alive=[worker])
            busy = submit(service, db, o.requests, 0.02, o.people + 50001)
            left = db.value("select planned - done from rollcall.run_progress")
            result[kind] = {"idle": idle, "under a bulk run": busy, "bulk tasks left at the end": left}
            for name, got in (("idle", idle), ("bulk", busy)):
                x = got["submit to audit event read"]
                say(f"  {kind}, {name}: submit to audit event p50 {x['p50_ms']:.1f} ms, p99 {x['p99_ms']:.1f} ms" + (f"; {left:,} bulk tasks left" if name == "bulk" else ""))
        finally:
            service.close()
            db.close()
    return result



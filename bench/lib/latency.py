# SPDX-License-Identifier: Apache-2.0
"""e: an ad-hoc task, from its being handed to Kafka by a service that is connected to its commit
in PostgreSQL and to its audit event in a reader's hands.
"""

import io
import json
import statistics
import subprocess
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import fastavro
from environment import DRIVERS, REPO, Copy, Service, assigned, prepare
from fastavro.schema import fingerprint, to_parsing_canonical_form
from measure import wait

INTERVAL_MS = 20
WARM = 300  # requests that warm everybody up, a Kafka node's Java above all
COMMANDS = 20


def schema(name):
    text = json.loads((REPO / "schemas" / name).read_text())
    return fastavro.parse_schema(text), b"\xc3\x01" + bytes.fromhex(
        fingerprint(to_parsing_canonical_form(text), "CRC-64-AVRO")
    )


TASK, TASK_MARK = schema("task.avsc")


def task(task_id, subject):
    out = io.BytesIO(TASK_MARK)
    out.seek(0, 2)
    fastavro.schemaless_writer(
        out,
        TASK,
        {
            "task_id": task_id.bytes,
            "run_id": None,
            "type": "bench.touch",
            "subject": str(subject),
            "item": "",
            "scheduled_at": datetime.now(UTC),
            "dry_run": False,
            "actor": "bench",
            "arguments": {},
        },
    )
    return out.getvalue()


def percentiles(values):
    """p50 and p99 in ms."""
    ordered = sorted(values)
    return {
        "p50_ms": statistics.median(ordered) * 1000,
        "p99_ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000,
        "max_ms": ordered[-1] * 1000,
        "count": len(ordered),
    }


def submit(service, db, count, first, until=None):
    """One task after the other. `until()`: the instant after which what was sent does not count
    any more.
    """
    subjects = range(first, first + count)
    ids = [uuid.uuid4() for _ in subjects]
    lines = "".join(f"{i.hex} {s} {task(i, s).hex()}\n" for i, s in zip(ids, subjects))
    argv = [
        str(DRIVERS / "bench-latency"),
        service.broker.bootstrap,
        f"{service.prefix}.tasks.urgent",
        f"{service.prefix}.results",
        str(INTERVAL_MS),
        "10" if service.embedded else "500",
    ]
    done = subprocess.run(argv, input=lines, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    rows = [
        (uuid.UUID(i), float(sent), float(read))
        for i, sent, read in map(str.split, done.stdout.splitlines())
    ]
    end = until() if until else None
    rows = [r for r in rows if end is None or r[1] <= end]
    if not rows:
        return None
    committed = dict(
        db.rows(
            "select task_id, extract(epoch from pg_xact_commit_timestamp(xmin))::float from"
            " rollcall.outcome_adhoc where task_id = any(%s)",
            ([r[0] for r in rows],),
        )
    )
    return {
        "submit to commit": percentiles([committed[i] - sent for i, sent, _ in rows]),
        "submit to audit event read": percentiles([read - sent for _, sent, read in rows]),
    }


def by_command(service, first):
    """The same by `rollcall tasks submit`, which starts, reads packs, connects to everything and
    waits for the acknowledgement.
    """
    took = []
    for subject in range(first, first + COMMANDS):
        start = time.monotonic()
        service.rollcall("tasks", "submit", "--type", "bench.touch", "--subject", str(subject))
        took.append(time.monotonic() - start)
    return {"command": percentiles(took)}


def bulk_end(db):
    """When the last bulk task was committed; None while there are some left."""
    left, end = db.rows(
        "select (select planned - done from rollcall.run_progress), (select max(extract(epoch from"
        " pg_xact_commit_timestamp(xmin)))::float from rollcall.progress where run_no > 0)"
    )[0]
    return end if left == 0 else None


def measure(service, db, o, worker):
    idle = [
        submit(service, db, n, first)
        for n, first in ((WARM, o.people + 1), (o.requests, o.people + 10001))
    ][1]
    idle |= by_command(service, o.people + 20001)
    service.rollcall("jobs", "run", "bench.expire")
    wait(
        lambda: (
            db.value("select coalesce(sum(applied), 0) from rollcall.progress where run_no > 0") > 0
        ),
        120,
        "the bulk run",
        alive=[worker],
    )
    busy = submit(service, db, o.requests, o.people + 50001, lambda: bulk_end(db))
    return {
        "idle": idle,
        "under a bulk run": busy,
        "bulk tasks left at the end": db.value("select planned - done from rollcall.run_progress"),
    }


def latency(servers, o, say):
    """One worker serves both lanes; the bulk run is one of o.people tasks."""
    result = {}
    template = prepare(servers.server, "bench", o.people + 100000, o.people, name="asked")
    for kind in o.brokers:
        servers.renew_embedded()
        db = Copy(servers.server, template)
        service = Service(
            Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")), db, servers.broker(kind), "bench"
        )
        try:
            service.topics(o.people + 100000)
            scheduler = service.start("scheduler")
            service.ready(scheduler)
            worker = service.start("worker", lanes=("tasks", "urgent"))
            wait(
                lambda: assigned(worker) and assigned(worker, "urgent"),
                60,
                "the groups",
                alive=[worker],
            )
            result[kind] = measure(service, db, o, worker)
            for name in ("idle", "under a bulk run"):
                got = result[kind][name]
                x = got["submit to audit event read"] if got else None
                say(
                    f"  {kind}, {name}: "
                    + (
                        f"submit to audit event p50 {x['p50_ms']:.1f} ms, p99 {x['p99_ms']:.1f} ms"
                        f" ({x['count']}); to commit {got['submit to commit']['p50_ms']:.1f} /"
                        f" {got['submit to commit']['p99_ms']:.1f} ms"
                        if got
                        else "the run was over before anything was asked"
                    )
                )
            say(
                f"  {kind}: rollcall tasks submit, start to end: p50"
                f" {result[kind]['idle']['command']['p50_ms']:.0f} ms"
            )
        finally:
            service.close()
            db.close()
    return result

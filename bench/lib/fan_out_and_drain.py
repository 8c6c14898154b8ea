# SPDX-License-Identifier: Apache-2.0
"""One measurement each: a batch job by hand, a fan-out, a drain by workers. Each on a fresh copy
of a template.
"""

import subprocess
import tempfile
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from environment import BENCH, DRIVERS, JOBS, TYPES, Copy, Service, assigned
from measure import Cpu, peak_mib, wait

CONNECTIONS_PATH = " options=-csearch_path={pack},public"


class Servers:
    """What all measurements share: a server and two brokers, started when first needed."""

    def __init__(self, server, embedded, kafka):
        self.server, self._embedded, self._kafka, self.made = server, embedded, kafka, {}

    def broker(self, kind):
        if kind not in self.made:
            self.made[kind] = (self._embedded if kind == "embedded" else self._kafka)()
        return self.made[kind]

    def renew_embedded(self):
        """The mock cluster never gives memory back: each measurement gets a new one."""
        if "embedded" in self.made:
            self.made.pop("embedded").close()

    def close(self):
        for b in self.made.values():
            b.close()
        self.server.close()


def by_hand(servers, template, sql, mode, count, connections=1, size=5000, extra=(), first=1):
    """Seconds and CPU of the driver bench-sql."""
    db = Copy(servers.server, template)
    try:
        return drive(servers, db, sql, mode, count, connections, size, extra, first)
    finally:
        db.close()


def drive(servers, db, sql, mode, count, connections=1, size=5000, extra=(), first=1):
    pack = "equipemed" if "equipemed" in str(sql) else "bench"
    size = size if mode in ("batch", "composed") else 1
    argv = [
        str(DRIVERS / "bench-sql"),
        db.conninfo + CONNECTIONS_PATH.format(pack=pack),
        mode,
        str(sql),
        str(first),
        str(first + count),
        str(connections),
        str(size),
        *map(str, extra),
    ]
    cpu = Cpu(postgres=[servers.server.process.pid])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=1800)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    used = cpu.used()
    seconds = float(done.stdout)
    return {
        "seconds": seconds,
        "rate": count / seconds,
        "cpu_us": {"postgres": used["postgres"] / count * 1e6},
    }


def sql_file(kind, pack):
    return BENCH / f"sql/{kind}-{pack}.sql"


# ---- Rollcall ----
def plan_run(service, db, pack):
    """Requests a run and the day's partition; its number."""
    service.rollcall("jobs", "run", f"{pack}.{JOBS[pack]}")
    return db.value("select max(run_no) from rollcall.run")


def fan_out(servers, service, db, pack, timeout=600):
    """Publishes a run with the scheduler. Tasks per second from the request to the last
    acknowledgement: select, plan, publishing.
    """
    scheduler = service.start("scheduler")
    service.ready(scheduler)
    cpu = Cpu(
        scheduler=[scheduler.pid],
        postgres=[servers.server.process.pid],
        broker=[service.broker.process.pid],
    )
    run = plan_run(service, db, pack)
    wait(
        lambda: (
            db.value("select state from rollcall.run where run_no = %s", (run,))
            in ("published", "succeeded")
        ),
        timeout,
        "the fan-out",
        alive=[scheduler],
    )
    used, peak = cpu.used(), peak_mib(scheduler.pid)
    planned, plan, publish = db.rows(
        "select planned, extract(epoch from planned_at - requested_at)::float, extract(epoch from"
        " published_at - planned_at)::float from rollcall.run where run_no = %s",
        (run,),
    )[0]
    service.stop(scheduler)
    return {
        "run": run,
        "tasks": planned,
        "plan_seconds": plan,
        "publish_seconds": publish,
        "rate": planned / max(plan + publish, 1e-6),
        "publish_rate": planned / max(publish, 1e-6),
        "peak_mib": peak,
        "cpu_us": {k: v / planned * 1e6 for k, v in used.items()},
    }


class Ends:
    """Where the results topic ends, asked of the broker."""

    def __init__(self, service, partitions):
        self.consumer = Consumer(
            {
                "bootstrap.servers": service.broker.bootstrap,
                "group.id": "bench-ends",
                "log_level": 0,
            }
        )
        self.topic, self.partitions = f"{service.prefix}.results", partitions

    def total(self):
        return sum(
            self.consumer.get_watermark_offsets(TopicPartition(self.topic, p), 10)[1]
            for p in range(self.partitions)
        )

    def close(self):
        self.consumer.close()


def done_of(db, topic):
    return db.value(
        "select coalesce(sum(sequence), 0)::bigint from rollcall.position where topic = %s",
        (topic,),
    )


def drain(servers, service, db, tasks, workers, timeout=900):
    """From all workers having their partitions to the last audit event on the results topic."""
    topic, ends = f"{service.prefix}.tasks", Ends(service, 8)
    started = [service.start("worker") for _ in range(workers)]

    def complete():
        counts = [assigned(w) for w in started]
        return all(counts) and sum(counts) == service.partitions

    wait(complete, 60, "the group", interval=0.01, alive=started)
    cpu = Cpu(
        worker=[w.pid for w in started],
        postgres=[servers.server.process.pid],
        broker=[service.broker.process.pid],
    )
    before, start = done_of(db, topic), time.monotonic()
    wait(lambda: done_of(db, topic) >= tasks, timeout, "the drain", interval=0.05, alive=started)
    wait(lambda: ends.total() >= tasks, 60, "the last events", interval=0.003, alive=started)
    seconds, used = time.monotonic() - start, cpu.used()
    peak = max(peak_mib(w.pid) for w in started)
    for w in started:
        service.stop(w)
    ends.close()
    count = tasks - before
    return {
        "tasks": tasks,
        "before": before,
        "seconds": seconds,
        "rate": count / seconds,
        "peak_mib": peak,
        "cpu_us": {k: v / count * 1e6 for k, v in used.items()},
    }


def check(db, run, tasks, pack):
    """What has been measured must also be right."""
    row = db.rows(
        "select done, applied, digest_matches from rollcall.run_progress where run_no = %s", (run,)
    )[0]
    if row != (tasks, tasks, True):
        raise RuntimeError(f"{TYPES[pack]}: done, applied, digest: {row}, of {tasks}")


def fan_out_and_drain(servers, template, pack, kind, workers, after=None, worker=""):
    """A whole run. `after(service, db, results)`: more measurements on it, before everything is
    dropped.
    """
    servers.renew_embedded()
    db = Copy(servers.server, template)
    service = Service(
        Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")),
        db,
        servers.broker(kind),
        pack,
        worker=worker,
    )
    try:
        due = db.value(
            "select count(*) from bench.person where expires_at < now()"
            if pack == "bench"
            else "select count(*) from equipemed.accounts_eqmdcustomuser"
        )
        service.topics(due)
        out = fan_out(servers, service, db, pack)
        db.execute("checkpoint")
        got = drain(servers, service, db, out["tasks"], workers) if workers else {}
        if workers:
            check(db, out["run"], out["tasks"], pack)
        result = {**got, "fan_out": out, "partitions": service.partitions}
        if after:
            after(service, db, result)
        return result
    finally:
        service.close()
        db.close()

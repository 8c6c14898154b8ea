# SPDX-License-Identifier: Apache-2.0
"""r: a file of tasks, by `rollcall tasks submit --csv FILE --wait`, from start to end; urgent
requests beside it; and a run of as many tasks from start to end.
"""

import tempfile
import threading
import time
import uuid
from pathlib import Path

import psycopg
from environment import Copy, Service, assigned, prepare
from latency import percentiles
from measure import Cpu, figures, peak_mib, wait

EVERY_S = 0.1
FILE_REQUEST = (
    "select rollcall.request_tasks('equipemed.update-status', false, null, array[%s]::uuid[],"
    " array[%s], null, array[%s])"
)
ARGUMENTS = '{"to_status": "inactive", "reason": "bench"}'


class Urgent:
    """Requests one urgent task after the other, for people who are not in the file."""

    def __init__(self, db, first):
        self.db, self.first, self.sent, self.over = db, first, {}, threading.Event()
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()

    def ask(self):
        subject = self.first
        with psycopg.connect(self.db.conninfo, autocommit=True) as own:
            while not self.over.wait(EVERY_S):
                task = uuid.uuid4()
                self.sent[task] = time.time()
                own.execute(FILE_REQUEST, (task, str(subject), ARGUMENTS))
                subject += 1

    def waits(self):
        """From asking to the outcome's commit."""
        self.over.set()
        self.thread.join()
        ids = list(self.sent)
        wait(
            lambda: (
                self.db.value(
                    "select count(*) from rollcall.outcome_adhoc where task_id = any(%s)", (ids,)
                )
                == len(ids)
            ),
            60,
            "the urgent tasks",
        )
        rows = self.db.rows(
            "select task_id, extract(epoch from pg_xact_commit_timestamp(xmin))::float from"
            " rollcall.outcome_adhoc where task_id = any(%s)",
            (ids,),
        )
        return percentiles([committed - self.sent[task] for task, committed in rows])


def in_service(servers, template, work):
    """`work(service, db, worker, scheduler)` beside a scheduler and one worker of two threads
    that serves both lanes.
    """
    db = Copy(servers.server, template)
    service = Service(
        Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")),
        db,
        servers.broker("kafka"),
        "equipemed",
        worker="threads = 2;",
    )
    try:
        service.topics(0)
        scheduler = service.start("scheduler")
        service.ready(scheduler)
        worker = service.start("worker", lanes=("tasks", "urgent"))
        wait(
            lambda: (
                assigned(worker) == service.partitions
                and assigned(worker, "urgent") == service.partitions
            ),
            60,
            "the groups",
            alive=[worker],
        )
        return work(service, db, worker, scheduler)
    finally:
        service.close()
        db.close()


def programs(servers, service, worker, scheduler):
    return Cpu(
        worker=[worker.pid],
        scheduler=[scheduler.pid],
        postgres=[servers.server.process.pid],
        broker=[service.broker.process.pid],
    )


def per_task(cpu, people):
    return {k: v / people * 1e6 for k, v in cpu.used().items()}


def by_run(servers, people):
    def work(service, db, worker, scheduler):
        cpu, start = programs(servers, service, worker, scheduler), time.monotonic()
        service.rollcall("jobs", "run", "equipemed.check-expiration")
        wait(
            lambda: db.value("select coalesce(max(done), 0) from rollcall.run_progress") >= people,
            600,
            "the run",
            alive=[worker],
        )
        return {"seconds": time.monotonic() - start, "cpu_us": per_task(cpu, people)}

    return work


def by_file(servers, people, beside):
    def work(service, db, worker, scheduler):
        csv = service.folder / "people.csv"
        csv.write_text(
            "subject,days,reason\n"
            + "".join(f"{n},30,contract renewed\n" for n in range(1, people + 1))
        )
        urgent = Urgent(db, people + 1) if beside else None
        cpu, start = programs(servers, service, worker, scheduler), time.monotonic()
        service.rollcall(
            "tasks",
            "submit",
            "--type",
            "equipemed.extend",
            "--csv",
            csv,
            "--yes",
            "--wait",
            "--timeout",
            "120s",
        )
        seconds, used = time.monotonic() - start, per_task(cpu, people)
        filed = db.value(
            "select extract(epoch from max(requested_at) - min(requested_at))::float from"
            " rollcall.request where large"
        )
        published = db.value(
            "select extract(epoch from max(published_at) - min(requested_at))::float from"
            " rollcall.request where large"
        )
        done = db.value(
            "select count(*) from rollcall.outcome_adhoc o join rollcall.task_type using (type_no)"
            " where name = 'equipemed.extend' and outcome = 0"
        )
        if done != people:
            raise RuntimeError(f"{done:,} of {people:,} rows are applied")
        return {
            "seconds": seconds,
            "filed_seconds": filed,
            "published_seconds": published,
            "worker_mib": peak_mib(worker.pid),
            "scheduler_mib": peak_mib(scheduler.pid),
            "cpu_us": used,
            **({"urgent": urgent.waits()} if urgent else {}),
        }

    return work


def task_requests(servers, o, say):
    template = prepare(servers.server, "equipemed", o.people + 20000, name="asked_for")
    ways = {
        "a run of as many": by_run(servers, o.people),
        "a file": by_file(servers, o.people, False),
        "a file, with urgent requests beside it": by_file(servers, o.people, True),
    }
    got = {name: [] for name in ways}
    for turn in range(o.runs):
        for name, work in ways.items():
            got[name].append(in_service(servers, template, work))
            x = got[name][-1]
            say(
                f"  run {turn + 1}: {name}: {x['seconds']:.1f} s, {o.people / x['seconds']:,.0f}/s"
                + (
                    f"; filed in {x['filed_seconds']:.1f} s, published in"
                    f" {x['published_seconds']:.1f} s; worker {x['worker_mib']:.0f} MiB"
                    if "filed_seconds" in x
                    else ""
                )
                + (
                    f"; urgent p50 {x['urgent']['p50_ms']:.0f} ms, p99 {x['urgent']['p99_ms']:.0f}"
                    f" ms ({x['urgent']['count']})"
                    if "urgent" in x
                    else ""
                )
            )
            say("    CPU µs a task: " + ", ".join(f"{k} {v:.1f}" for k, v in x["cpu_us"].items()))
    return {
        name: {"rate": figures([o.people / x["seconds"] for x in list_]), "runs": list_}
        for name, list_ in got.items()
    }

"""The parts d (mail), f (aggregator) and g (memory)."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from drain import done_of, fan_out, fan_out_and_drain
from measure import Cpu, figures, peak_mib, wait
from world import BUILD_FOLDER, DRIVERS, Copy, Process, Service, assigned, prepare

MAIL_CONNECTIONS = 16  # mail.connections' default


# ---- d ----
def mail_by_loop(sink, count):
    done = subprocess.run(
        [str(DRIVERS / "bench-mail"), sink, str(count), str(MAIL_CONNECTIONS)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return count / float(done.stdout)


def mail_by_worker(rig, template, sink):
    """From the worker having its partitions to the last outcome in the ledger."""
    db = Copy(rig.server, template)
    service = Service(
        Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")),
        db,
        rig.broker("kafka"),
        "bench",
        mail=f'url = "{sink}"; tls = "none";',
    )
    try:
        service.topics(0)
        scheduler = service.start("scheduler")
        service.ready(scheduler)
        service.rollcall("jobs", "run", "bench.notify")
        wait(
            lambda: db.value("select state from rollcall.run") == "published",
            120,
            "the fan-out",
            alive=[scheduler],
        )
        planned = db.value("select planned from rollcall.run")
        service.stop(scheduler)
        worker = service.start("worker", lanes=("mail",))
        wait(
            lambda: assigned(worker, "mail") == service.partitions, 60, "the group", alive=[worker]
        )
        cpu, start = Cpu(worker=[worker.pid], postgres=[rig.server.process.pid]), time.monotonic()
        wait(
            lambda: db.value("select coalesce(sum(applied), 0) from rollcall.progress") >= planned,
            900,
            "the mails",
            interval=0.05,
            alive=[worker],
        )
        seconds, used = time.monotonic() - start, cpu.used()
        return {
            "rate": planned / seconds,
            "mails": planned,
            "peak_mib": peak_mib(worker.pid),
            "cpu_us": {k: v / planned * 1e6 for k, v in used.items()},
        }
    finally:
        service.close()
        db.close()


def mail(rig, o, say):
    sink = Process([DRIVERS / "bench-sink"], BUILD_FOLDER / f"sink.{os.getpid()}.log")
    template = prepare(rig.server, "bench", o.mails, name="mails")
    try:
        url, loop, worker = f"smtp://127.0.0.1:{sink.wait_for_line('port=')}", [], []
        for turn in range(o.runs):
            loop.append(mail_by_loop(url, o.mails))
            worker.append(mail_by_worker(rig, template, url))
            say(
                f"  run {turn + 1}: bare loop {loop[-1]:,.0f}/s, worker {worker[-1]['rate']:,.0f}/s"
            )
    finally:
        sink.stop()
    return {
        "bare curl_multi loop": {"rate": figures(loop)},
        "Rollcall, 1 worker": {"rate": figures([w["rate"] for w in worker]), "runs": worker},
    }


# ---- f ----
def fold(rig, service, db, tasks):
    """The results of a drain, from the first to the last."""
    topic = f"{service.prefix}.results"
    aggregator = service.start("aggregator")
    wait(
        lambda: (
            db.value(
                "select coalesce(sum(next), 0) from rollcall.position where topic = %s", (topic,)
            )
            > 0
        ),
        60,
        "the first events",
        interval=0.005,
        alive=[aggregator],
    )
    before, start = (
        db.value("select sum(next) from rollcall.position where topic = %s", (topic,)),
        time.monotonic(),
    )
    cpu = Cpu(
        aggregator=[aggregator.pid],
        postgres=[rig.server.process.pid],
        broker=[service.broker.process.pid],
    )
    wait(
        lambda: (
            db.value("select sum(next) from rollcall.position where topic = %s", (topic,)) >= tasks
        ),
        300,
        "the fold",
        interval=0.01,
        alive=[aggregator],
    )
    seconds, used = time.monotonic() - start, cpu.used()
    peak = peak_mib(aggregator.pid)
    service.stop(aggregator)
    counted = db.value("select sum(applied) from rollcall.run_total")
    if counted != tasks:
        raise RuntimeError(f"the aggregator counted {counted} of {tasks}")
    return {
        "rate": (tasks - int(before)) / seconds,
        "peak_mib": peak,
        "cpu_us": {k: v / tasks * 1e6 for k, v in used.items()},
    }


def aggregator(rig, o, say):
    template, folded, drained = prepare(rig.server, "bench", o.people, name="to_fold"), [], []
    for turn in range(o.runs):
        fan_out_and_drain(
            rig,
            template,
            "bench",
            "kafka",
            2,
            lambda service, db, result: (
                folded.append(fold(rig, service, db, result["tasks"])),
                drained.append(result["rate"]),
            ),
        )
        say(
            f"  run {turn + 1}: two workers {drained[-1]:,.0f}/s, aggregator"
            f" {folded[-1]['rate']:,.0f} events/s"
        )
    return {
        "two workers, kafka": {"rate": figures(drained)},
        "aggregator": {"rate": figures([f["rate"] for f in folded]), "runs": folded},
        "commands over a full ledger": reports(rig, o, say),
    }


def reports(rig, o, say):
    """What an operator asks of a ledger with many outcomes."""
    from parts import fill_ledger

    name = prepare(rig.server, "bench", 1000, name="reported")
    fill_ledger(rig, name, o.ledger)
    db = Copy(rig.server, name)
    service = Service(
        Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")), db, rig.broker("kafka"), "bench"
    )
    result = {}
    try:
        service.topics(0)
        run = str(db.value("select run_id from rollcall.run where job = 'earlier'"))
        for label, command in (
            ("status", ("status",)),
            ("runs show", ("runs", "show", run)),
            ("runs list", ("runs", "list")),
        ):
            start = time.monotonic()
            service.rollcall(*command)
            result[label] = {"seconds": time.monotonic() - start, "outcomes": o.ledger}
            say(f"  rollcall {label} over {o.ledger:,} outcomes: {result[label]['seconds']:.3f} s")
    finally:
        service.close()
        db.close()
    return result


# ---- g ----
def memory(rig, o, say):
    """Peak resident memory of each program with o.backlog tasks waiting; the worker and the
    aggregator work on them for a while.
    """
    db = Copy(rig.server, prepare(rig.server, "bench", o.backlog, name="backlog"))
    service = Service(
        Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")), db, rig.broker("kafka"), "bench"
    )
    result = {"backlog": o.backlog}
    try:
        service.topics(0)
        out = fan_out(rig, service, db, "bench", timeout=1800)
        result["rollcall-scheduler"] = out["peak_mib"]
        worker, aggregator_ = service.start("worker"), None
        wait(
            lambda: done_of(db, f"{service.prefix}.tasks") > 10000,
            120,
            "the first tasks",
            alive=[worker],
        )
        aggregator_ = service.start("aggregator")
        time.sleep(o.memory_seconds)
        result["rollcall-worker"], result["rollcall-aggregator"] = (
            peak_mib(worker.pid),
            peak_mib(aggregator_.pid),
        )
        result["done_meanwhile"] = done_of(db, f"{service.prefix}.tasks")
    finally:
        service.close()
        db.close()
    say("  " + ", ".join(f"{k} {v:.0f} MiB" for k, v in result.items() if k.startswith("rollcall")))
    return result

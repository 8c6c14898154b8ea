# SPDX-License-Identifier: Apache-2.0
"""The part f: the aggregator beside two workers, and commands over a full ledger."""

import tempfile
import time
from pathlib import Path

from environment import Copy, Service, prepare
from fan_out_and_drain import fan_out_and_drain
from measure import Cpu, figures, peak_mib, wait
from throughput import fill_ledger


def aggregate(servers, service, db, tasks):
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
        postgres=[servers.server.process.pid],
        broker=[service.broker.process.pid],
    )
    wait(
        lambda: (
            db.value("select sum(next) from rollcall.position where topic = %s", (topic,)) >= tasks
        ),
        300,
        "the totals",
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


def aggregator(servers, o, say):
    template, aggregated, drained = (
        prepare(servers.server, "bench", o.people, name="to_aggregate"),
        [],
        [],
    )
    for turn in range(o.runs):
        fan_out_and_drain(
            servers,
            template,
            "bench",
            "kafka",
            2,
            lambda service, db, result: (
                aggregated.append(aggregate(servers, service, db, result["tasks"])),
                drained.append(result["rate"]),
            ),
        )
        say(
            f"  run {turn + 1}: two workers {drained[-1]:,.0f}/s, aggregator"
            f" {aggregated[-1]['rate']:,.0f} events/s"
        )
    return {
        "two workers, kafka": {"rate": figures(drained)},
        "aggregator": {"rate": figures([f["rate"] for f in aggregated]), "runs": aggregated},
        "commands over a full ledger": reports(servers, o, say),
    }


def reports(servers, o, say):
    """What an operator queries from a ledger with many outcomes."""
    name = prepare(servers.server, "bench", 1000, name="reported")
    fill_ledger(servers, name, o.ledger)
    db = Copy(servers.server, name)
    service = Service(
        Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")), db, servers.broker("kafka"), "bench"
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
            service.rollcall(*command, ok=(0, 1))  # 1: `status` reports that no program runs
            result[label] = {"seconds": time.monotonic() - start, "outcomes": o.ledger}
            say(f"  rollcall {label} over {o.ledger:,} outcomes: {result[label]['seconds']:.3f} s")
    finally:
        service.close()
        db.close()
    return result

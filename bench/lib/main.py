# SPDX-License-Identifier: Apache-2.0
"""Measures Rollcall against this machine's limits and against what people use today, and prints
ratios; see docs/performance.md.

Parts: a limits (the batch job by hand, the bare UPDATE, the worker's own statement by hand) · b
workers draining a run · c fan-out, and the select of few
due among many · d mail · e latency of ad-hoc tasks · f aggregator and reports · g memory · h
growth · i the row-by-row loop · r a file of
tasks by request, with urgent requests beside it.
a, b, c and i are measured in alternation, on fresh copies of one database. PostgreSQL is
durable: fsync, full page writes and synchronous commit are on.
"""

import argparse
import json
import os
from pathlib import Path

# As Kafka's own start script has it; the tests' node is a smaller one that starts sooner.
KAFKA_JVM = (
    "-Xms1g -Xmx1g -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20"
    " -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent"
)


def arguments():
    p = argparse.ArgumentParser(
        prog="bench/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument(
        "--quick",
        action="store_true",
        help="small sizes and one run each: under three minutes on an idle machine",
    )
    p.add_argument(
        "--part",
        action="append",
        choices=list("abcdefghir") + ["scan"],
        help="only this part; may be repeated (scan: the second half of c)",
    )
    p.add_argument(
        "--json",
        metavar="FILE",
        help="where to keep the figures (default: bench.json in the build folder)",
    )
    p.add_argument("--runs", type=int, help="runs of each measurement (default 5, quick 1)")
    p.add_argument(
        "--people",
        type=int,
        help="people in the run that is drained (default 1,000,000, quick 60,000)",
    )
    p.add_argument(
        "--pack",
        action="append",
        choices=["bench", "equipemed"],
        help="only this pack in a, b, c, i",
    )
    p.add_argument(
        "--broker",
        action="append",
        choices=["embedded", "kafka"],
        help="only this broker in b, c, e",
    )
    p.add_argument(
        "--scan-people",
        type=int,
        help="users in the table of `scan` (default 20,000,000, quick 200,000)",
    )
    p.add_argument(
        "--backlog", type=int, help="tasks waiting in g (default 5,000,000, quick 200,000)"
    )
    p.add_argument(
        "--ledger",
        type=int,
        help="outcomes in the full ledger of f and h (default 10,000,000, quick 300,000)",
    )
    p.add_argument(
        "--growth-people",
        type=int,
        help="users in the largest table of h (default 10,000,000, quick 100,000)",
    )
    o = p.parse_args()
    q = o.quick
    for name, full, quick in (
        ("runs", 5, 1),
        ("people", 1000000, 60000),
        ("scan_people", 20000000, 200000),
        ("backlog", 5000000, 200000),
        ("ledger", 10000000, 300000),
        ("growth_people", 10000000, 100000),
    ):
        if getattr(o, name) is None:
            setattr(o, name, quick if q else full)
    o.parts = set(o.part or ("abcdefghir" if not q else "abcdefgir")) | (
        {"scan"} if not o.part or "c" in o.part else set()
    )
    o.packs, o.brokers = o.pack or ["bench", "equipemed"], o.broker or ["embedded", "kafka"]
    o.rows, o.mails, o.requests = (500, 5000, 100) if q else (20000, 100000, 500)
    o.growth, o.growth_runs = (
        [n for n in (10000, 100000, 1000000, 10000000) if n <= o.growth_people],
        (1 if q else 3),
    )
    o.memory_seconds = 5 if q else 60
    return o


def say(text):
    print(text, flush=True)


def median(result, name):
    return result[name]["rate"]["median"] if name in result else None


def ratio_lines(result):
    """What was measured, and its ratios."""
    from throughput import rollcall

    for pack, r in result.get("throughput", {}).items():
        yield f"{pack}: what was measured" + " " * 28 + "median/s        min–max"
        for name, e in r.items():
            yield (
                f"  {name:46s} {e['rate']['median']:12,.0f}  "
                f" {e['rate']['min']:,.0f}–{e['rate']['max']:,.0f}"
            )
            if "fan_out_rate" in e:
                yield (
                    "    its fan-out, select and publishing           "
                    f" {e['fan_out_rate']['median']:11,.0f}   (publishing alone"
                    f" {e['fan_out_publish_rate']['median']:,.0f})"
                )
        one, two, rows = (
            median(r, "batch job, 1 connection"),
            median(r, "batch job, 2 connections"),
            median(r, "row by row"),
        )
        ratios = [
            ("composed statement by hand, 1 connection", one, "the batch job on one connection"),
            ("composed statement by hand, 2 connections", two, "the batch job on two"),
            ("Rollcall, 1 worker, embedded", rows, "row by row"),
        ]
        for kind in ("embedded", "kafka"):
            ratios += [
                (rollcall(1, 1, kind), one, "the batch job on one connection"),
                (rollcall(1, 2, kind), one, "the batch job on one connection"),
                (rollcall(2, 1, kind), two, "the batch job on two"),
            ]
        for name, base, to in ratios:
            if base and median(r, name):
                yield f"  {name}: {median(r, name) / base:.2f} × {to}"
    d = result.get("mail")
    if d:
        loop, worker = median(d, "bare curl_multi loop"), median(d, "Rollcall, 1 worker")
        yield (
            f"mail: {worker:,.0f}/s, {worker / loop:.2f} × the bare curl_multi loop ({loop:,.0f}/s)"
        )
    f = result.get("aggregator")
    if f:
        yield (
            f"aggregator: {median(f, 'aggregator'):,.0f} events/s,"
            f" {median(f, 'aggregator') / median(f, 'two workers, kafka'):.1f} × two workers"
        )
    r = result.get("task_requests")
    if r:
        run = median(r, "a run of as many")
        for name, e in list(r.items())[1:]:
            yield (
                f"{name}: {e['rate']['median']:,.0f}/s, {e['rate']['median'] / run:.2f} × a run of"
                f" as many ({run:,.0f}/s), both from start to end"
            )
    h = result.get("growth")
    if h:
        full, empty = [e["rate"]["median"] for e in list(h.values())[-1:-3:-1]]
        yield f"growth: {list(h)[-1]}: {full / empty:.2f} × the empty one"


def measure(o, servers, result):
    from latency import latency
    from mail import mail
    from memory import memory
    from task_requests import task_requests
    from throughput import growth, scan, throughput

    from aggregator import aggregator

    for name, letters, part in (
        ("throughput", "abci", throughput),
        ("scan", ("scan",), scan),
        ("mail", "d", mail),
        ("latency", "e", latency),
        ("aggregator", "f", aggregator),
        ("memory", "g", memory),
        ("growth", "h", growth),
        ("task_requests", "r", task_requests),
    ):
        if o.parts & set(letters):
            say(f"{name}:")
            result[name] = part(servers, o, say)
            o.keep(result)


def main():
    o = arguments()
    from environment import BUILD_FOLDER, Embedded, Kafka, durable
    from fan_out_and_drain import Servers
    from measure import machine

    path = Path(o.json or BUILD_FOLDER / "bench.json")
    o.keep = lambda result: path.write_text(json.dumps(result, indent=1))
    result = {
        "machine": machine(),
        "sizes": {k: v for k, v in vars(o).items() if isinstance(v, int)},
    }
    say("\n".join(f"{k}: {v}" for k, v in result["machine"].items()))
    say(
        f"method: median of {o.runs}; PostgreSQL with fsync, full_page_writes, synchronous_commit"
        f" on, 512 MB shared_buffers; servers, brokers and clients share the cores;\n{o.people:,}"
        " tasks; batches of 5,000; embedded broker with a partition per 6,000 tasks, Apache Kafka"
        " with 8\n"
    )
    os.environ.setdefault("ROLLCALL_KAFKA_JVM", KAFKA_JVM)
    servers = Servers(durable(track_commit_timestamp="on"), lambda: Embedded(8), Kafka)
    try:
        measure(o, servers, result)
    finally:
        servers.close()
    say("")
    for line in ratio_lines(result):
        say(line)
    say(f"load during all this: {os.getloadavg()[1]:.1f}; figures: {path}")


if __name__ == "__main__":
    main()

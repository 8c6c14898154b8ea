# SPDX-License-Identifier: Apache-2.0
"""The part g: peak memory of each program with a large backlog."""

import tempfile
import time
from pathlib import Path

from environment import Copy, Service, prepare
from fan_out_and_drain import done_of, fan_out
from measure import peak_mib, wait


def memory(servers, o, say):
    """Peak resident memory of each program with o.backlog tasks waiting; the worker and the
    aggregator work on them for a while.
    """
    db = Copy(servers.server, prepare(servers.server, "bench", o.backlog, name="backlog"))
    service = Service(
        Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")), db, servers.broker("kafka"), "bench"
    )
    result = {"backlog": o.backlog}
    try:
        service.topics(0)
        out = fan_out(servers, service, db, "bench", timeout=1800)
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

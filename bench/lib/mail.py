# SPDX-License-Identifier: Apache-2.0
"""The part d: mail by the bare loop of libcurl and by a worker."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from environment import BUILD_FOLDER, DRIVERS, Copy, Process, Service, assigned, prepare
from measure import Cpu, figures, peak_mib, wait

MAIL_CONNECTIONS = 16  # mail.connections' default


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


def mail_by_worker(servers, template, sink):
    """From the worker having its partitions to the last outcome in the ledger."""
    db = Copy(servers.server, template)
    service = Service(
        Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")),
        db,
        servers.broker("kafka"),
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
        cpu, start = (
            Cpu(worker=[worker.pid], postgres=[servers.server.process.pid]),
            time.monotonic(),
        )
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


def mail(servers, o, say):
    sink = Process([DRIVERS / "bench-sink"], BUILD_FOLDER / f"sink.{os.getpid()}.log")
    template = prepare(servers.server, "bench", o.mails, name="mails")
    try:
        url, loop, worker = f"smtp://127.0.0.1:{sink.wait_for_line('port=')}", [], []
        for turn in range(o.runs):
            loop.append(mail_by_loop(url, o.mails))
            worker.append(mail_by_worker(servers, template, url))
            say(
                f"  run {turn + 1}: bare loop {loop[-1]:,.0f}/s, worker {worker[-1]['rate']:,.0f}/s"
            )
    finally:
        sink.stop()
    return {
        "bare curl_multi loop": {"rate": figures(loop)},
        "Rollcall, 1 worker": {"rate": figures([w["rate"] for w in worker]), "runs": worker},
    }

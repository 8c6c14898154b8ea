# SPDX-License-Identifier: Apache-2.0
"""Clocks, CPU time, memory, figures of several runs."""

import os
import statistics
import subprocess
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    """Seconds of CPU that a process and its ended children have used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(x) for x in fields[11:15]) / TICK
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def children(pid):
    try:
        own = [
            int(p)
            for t in Path(f"/proc/{pid}/task").iterdir()
            for p in (t / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return own + [g for p in own for g in children(p)]


def cpu_tree(pid):
    return sum(cpu_of(p) for p in [pid, *children(pid)])


def peak_mib(pid):
    """Peak resident memory, MiB."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0.0


class Cpu:
    """CPU seconds of named process trees, and of the whole machine, since it was made."""

    def __init__(self, **pids):
        self.pids = pids
        self.before = {name: sum(map(cpu_tree, p)) for name, p in pids.items()}
        self.machine, self.at = self._machine(), time.monotonic()

    @staticmethod
    def _machine():
        fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return (sum(fields) - fields[3] - fields[4]) / TICK

    def used(self):
        used = {name: sum(map(cpu_tree, p)) - self.before[name] for name, p in self.pids.items()}
        used["others"] = max(0.0, self._machine() - self.machine - sum(used.values()))
        return used


def wait(condition, timeout, what, interval=0.02, alive=()):
    end = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        for p in alive:
            if not p.running():
                raise RuntimeError(f"{p.argv[0]} ended: {p.text()[-2000:]}")
        if time.monotonic() > end:
            raise TimeoutError(
                f"{what}: not in {timeout} s\n" + "\n".join(p.text()[-1000:] for p in alive)
            )
        time.sleep(interval)


def figures(values):
    """Median and spread of several runs."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "runs": len(values),
        "values": values,
    }


def version(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
        return (done.stdout or done.stderr).strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "unknown"


def machine():
    """What the figures depend on."""
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024 // 1024
    release = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": memory,
        "kernel": os.uname().release,
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "load_at_start": os.getloadavg()[0],
        "postgresql": version(
            str(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))[-1]), "--version"
        ),
        "java": version("java", "-version"),
        "librdkafka": version("pkg-config", "--modversion", "rdkafka"),
        "libpq": version("pkg-config", "--modversion", "libpq"),
        "libcurl": version("pkg-config", "--modversion", "libcurl"),
    }

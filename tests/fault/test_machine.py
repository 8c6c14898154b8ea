# SPDX-License-Identifier: Apache-2.0
"""Rows 19 to 21 of docs/reliability.md: full disks, clocks that jump, time that passes while
nobody is there.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cluster import Node
from harness.postgres import Database, Postgres, binaries
from harness.process import Process


# ---- 19: full disks ----
@pytest.fixture
def small_disk():
    """small_disk(mebibytes): a tmpfs."""
    made = []

    def make(size, owner=None):
        folder = Path(tempfile.mkdtemp(prefix="rcdisk-", dir="/tmp"))
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
            capture_output=True,
        ).returncode:
            folder.rmdir()
            pytest.skip("mounting a tmpfs is not permitted here")
        made.append(folder)
        if owner:
            shutil.chown(folder, owner, owner)
            folder.chmod(0o700)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def fill(folder):
    """Takes what is left of a disk."""
    with open(folder / "filler", "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            return folder / "filler"


class SmallPostgres(Postgres):
    def __init__(self, disk):
        self.disk = disk
        super().__init__(fsync=True, settings={"max_wal_size": "32MB", "min_wal_size": "32MB"})

    def _init(self):
        self.data = self.disk / "data"
        super()._init()


def test_row_19_database_disk_full(cluster, chance, small_disk):
    """No outcome without durability: what PostgreSQL could not write is done when there is room."""
    disk = small_disk("256m", "postgres" if os.geteuid() == 0 else None)
    server = SmallPostgres(disk)
    database = Database(server, "small")
    try:
        w = cluster(
            database=database, people=400, batch=20, verify_options={"repeated_mails": "killed"}
        )
        w.begin()
        w.ask()
        w.wait_done(chance.randint(20, 600))
        filler = fill(disk)
        time.sleep(4)
        filler.unlink()
        database.db.close()
        if not server.process.running():
            server.stop()
            server.start()
        w.wait(lambda: server._answers(), 30)
        database.db = server.connect("small")
        w.ask()
        w.finish(timeout=90)
    finally:
        database.db.close()
        server.close()


def test_row_19_broker_disk_full(cluster, chance, small_disk):
    """The node gives its log up; with room again, and restarted, everything that was
    acknowledged is there and the rest comes.
    """
    disk = small_disk("64m")
    node = Node(data=disk / "data")
    try:
        w = cluster(node=node, people=400, batch=20, verify_options={"repeated_mails": "killed"})
        w.begin()
        w.ask()
        w.wait_done(chance.randint(20, 600))
        filler = fill(disk)
        w.database.execute("update rollcall.run set reason = reason")
        time.sleep(5)
        filler.unlink()
        node.restart(crash=True)
        w.ask()
        w.finish(timeout=120)
    finally:
        node.close()


def test_row_19_report_folder_full(cluster, small_disk):
    """The old report stays whole; the new one is written when there is room."""
    disk = small_disk("256k")
    w = cluster(people=300, reports=str(disk))
    w.begin(workers=1)
    w.ask("census")
    w.settle()
    before = (disk / "census.csv").read_text()
    w.people(20000, first=1001)
    w.ask("census")
    w.wait(
        lambda: (
            w.value(
                "select count(*) from rollcall.run where state in ('succeeded', 'completed with"
                " errors')"
            )
            == 2
            or (
                w.value("select to_regclass('rollcall.held') is not null")
                and w.value("select count(*) from rollcall.held") > 0
            )
        ),
        40,
        "an end",
    )
    assert (disk / "census.csv").read_text() == before
    w.database.execute("delete from person where id > 1000; truncate deleted")
    w.ask("census")
    w.finish(timeout=120)
    assert (disk / "census.csv").read_text() == before


# ---- 20, 21: time ----
JOBS = """, { name = "all"; tasks = [ "hourly" ]; schedule = "0 * * * *"; catch_up = "all";
    concurrency_policy = "allow"; },
          { name = "latest"; tasks = [ "hourly" ]; schedule = "0 * * * *";
              concurrency_policy = "allow"; },
          { name = "none"; tasks = [ "hourly" ]; schedule = "0 * * * *"; catch_up = "none";
              concurrency_policy = "allow"; },
          { name = "deadline"; tasks = [ "hourly" ]; schedule = "0 * * * *"; catch_up = "all";
              starting_deadline = "150m"; concurrency_policy = "allow"; }"""


def test_row_21_scheduler_down_across_slots(cluster, chance):
    w = cluster(people=20, jobs=JOBS)
    w.start("aggregator")
    w.worker()
    hours = chance.randint(4, 7)
    now = w.value("select clock_timestamp()")
    for job in ("all", "latest", "none", "deadline"):
        w.database.execute(
            "insert into rollcall.job (pack, job, considered_at) values ('club', %s, %s) on"
            " conflict (pack, job) do update set considered_at = excluded.considered_at",
            (job, now - timedelta(hours=hours)),
        )
    first = w.start("scheduler", f"fanout.task=kill@{chance.randint(1, 60)}")
    w.died(first)
    w.start("scheduler")
    slots = [
        s
        for s in (
            now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=n)
            for n in range(hours + 1)
        )
        if s > now - timedelta(hours=hours)
    ]
    w.finish()
    ran = defaultdict(list)
    for job, at, _cause in w.database.rows(
        "select job, scheduled_at, cause from rollcall.run order by scheduled_at"
    ):
        ran[job].append(at)
    if now.minute > 1 and now.minute < 58:  # a slot of this very minute is no missed one
        assert ran["all"] == sorted(slots) and ran["latest"] == [max(slots)] and ran["none"] == []
        assert ran["deadline"] == [s for s in sorted(slots) if now - s < timedelta(minutes=150)]
    else:
        assert len(ran["all"]) == len(set(ran["all"])) >= len(slots)


FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
NIGHT = """, { name = "gap"; tasks = [ "hourly" ]; schedule = "30 2 8 3 *"; catch_up = "none"; },
           { name = "overlap"; tasks = [ "hourly" ]; schedule = "30 1 1 11 *"; catch_up = "none"; },
           { name = "leap"; tasks = [ "hourly" ]; schedule = "0 12 29 2 *"; catch_up = "none"; },
           { name = "often"; tasks = [ "hourly" ]; schedule = "* * * * *"; catch_up = "latest";
               concurrency_policy = "allow"; }"""


class Clock(Postgres):
    """A server whose clock, which is that of all schedules, can be set."""

    def __init__(self, at, folder):
        self.file = folder / "clock"
        self.set(at)
        os.chmod(folder, 0o755)
        self.env = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        super().__init__()

    def set(self, at):
        self.file.write_text(f"{round((at - datetime.now(UTC)).total_seconds()):+d}\n")
        os.chmod(self.file, 0o644)

    def start(self):
        preload = [
            "env",
            *(f"{k}={v}" for k, v in self.env.items()),
        ]  # after the change of user, or its semaphore is somebody else's
        self.process = Process(
            [*preload, binaries() / "postgres", "-D", self.data],
            self.root / "log",
            user=self.owner,
            death_signal="INT",
            cwd="/",
        )
        self.process.wait_until(self._answers)


def utc(*args):
    return datetime(*args, tzinfo=UTC)


@pytest.fixture
def clock(request):
    if not Path(FAKETIME).exists():
        pytest.skip("libfaketime is not installed (Debian package faketime)")
    folder = Path(tempfile.mkdtemp(prefix="rcclock-", dir="/tmp"))
    made = []

    def make(at):
        made.append(Clock(at, folder))
        return made[-1]

    yield make
    for server in made:
        server.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_row_20_dst_and_leap_day(cluster, clock):
    """Skipped times run once after the gap, doubled ones the first time, a leap day when there
    is one.
    """
    server = clock(utc(2026, 3, 8, 6, 59, 50))
    database = Database(server, "time")
    w = cluster(database=database, people=5, jobs=NIGHT, zone="America/New_York", lease="2s")
    w.database.execute("update rollcall.job set suspended = job = 'often'")
    w.begin(workers=1)

    def runs(job, count):
        w.wait(
            lambda: w.value("select count(*) from rollcall.run where job = %s", (job,)) >= count,
            40,
            f"{count} runs of {job}",
        )
        return [
            r[0]
            for r in w.database.rows(
                "select scheduled_at from rollcall.run where job = %s order by 1", (job,)
            )
        ]

    def jump(at):
        server.set(at)
        time.sleep(9)

    assert runs("gap", 1) == [utc(2026, 3, 8, 7, 0)]
    jump(utc(2026, 3, 8, 7, 29, 55))
    assert runs("gap", 1) == [utc(2026, 3, 8, 7, 0)]
    server.set(utc(2026, 11, 1, 5, 29, 55))
    assert runs("overlap", 1) == [utc(2026, 11, 1, 5, 30)]
    jump(utc(2026, 11, 1, 6, 29, 55))
    assert runs("overlap", 1) == [utc(2026, 11, 1, 5, 30)]
    jump(utc(2027, 2, 28, 16, 59, 55))
    server.set(utc(2028, 2, 29, 16, 59, 55))
    assert runs("leap", 1) == [utc(2028, 2, 29, 17, 0)]
    w.finish()
    database.db.close()


def test_row_20_clocks_an_hour_off(cluster, clock, chance):
    """The database's clock, which decides, jumps an hour forth, back, and forth again: each slot
    has one run, none twice, and work continues.
    """
    server = clock(utc(2026, 5, 4, 10, 0, 30))
    database = Database(server, "time")
    w = cluster(database=database, people=30, jobs=NIGHT, lease="2s")
    w.begin()
    for n, at in enumerate(
        (
            utc(2026, 5, 4, 10, 0, 57),
            utc(2026, 5, 4, 11, 0, 57),
            utc(2026, 5, 4, 10, 0, 57),
            utc(2026, 5, 4, 11, 2, 57),
        )
    ):
        server.set(at)
        time.sleep(4 + chance.random())
        w.ask(
            at=utc(2026, 5, 4, 9, n)
        )  # nobody requests an instant that this clock has not reached
    w.database.execute("update rollcall.job set suspended = true")
    r = w.finish(timeout=60)
    slots = [
        s[0]
        for s in w.database.rows(
            "select scheduled_at from rollcall.run where job = 'often' order by 1"
        )
    ]
    assert len(slots) == len(set(slots)) >= 2 and all(s.second == 0 for s in slots)
    print(f"{len(slots)} slots, {r.numbers['planned']} tasks")
    database.db.close()

# SPDX-License-Identifier: Apache-2.0
"""Who is there: rollcall workers, and one service a database."""

import json
import os
import signal
import subprocess

from harness.paths import program
from scheduler_service import rig  # noqa: F401


def programs(rig):
    return {
        (p["program"], p["pid"]): p
        for p in json.loads(rig.rollcall("workers", "--json"))["programs"]
    }


def test_each_program_is_listed_and_leaves_the_list(rig, embedded):
    rig = rig(embedded, people=1)
    rig.write()
    assert "No program of this service is running" in rig.rollcall("workers")
    leader, standby = rig.scheduler(), rig.scheduler()
    w = rig.start(lanes=["tasks", "mail"])
    rig.wait(
        lambda: (
            len(programs(rig)) == 3
            and programs(rig)["rollcall-worker", w.child.pid]["partitions"] == 8
        )
    )
    found = programs(rig)
    mine = found["rollcall-worker", w.child.pid]
    assert (mine["lanes"], mine["state"], mine["host"]) == (
        "mail, tasks",
        "alive",
        os.uname().nodename,
    ) and mine["version"]
    assert sorted(found["rollcall-scheduler", s.child.pid]["state"] for s in (leader, standby)) == [
        "alive",
        "leading",
    ]
    assert rig.stop(w) == 0
    assert set(programs(rig)) == {
        ("rollcall-scheduler", leader.child.pid),
        ("rollcall-scheduler", standby.child.pid),
    }


def test_one_that_was_killed_is_gone(rig, embedded):
    rig = rig(embedded, people=1)
    w = rig.start(lanes=["tasks"])
    rig.wait(lambda: programs(rig))
    w.stopped = True
    os.kill(w.child.pid, signal.SIGKILL)
    w.child.wait()
    rig.database.execute("update rollcall.process set seen_at = seen_at - interval '31 s'")
    rig.wait(lambda: programs(rig)["rollcall-worker", w.child.pid]["state"] == "gone")
    rig.database.execute("update rollcall.process set seen_at = seen_at - interval '1 day'")
    rig.scheduler()
    rig.wait(lambda: ("rollcall-worker", w.child.pid) not in programs(rig))


def test_one_in_a_long_statement_is_alive(rig, embedded):
    rig = rig(embedded, people=1)
    w = rig.start(lanes=["tasks"])
    rig.wait(lambda: programs(rig))
    rig.database.execute("update rollcall.process set seen_at = seen_at - interval '5 min'")
    assert programs(rig)["rollcall-worker", w.child.pid]["state"] == "alive"


def test_one_service_a_database(rig, embedded):
    """Another prefix on the same database: every program says whose it is, and ends; nothing is
    changed.
    """
    rig = rig(embedded, people=1)
    rig.write()
    mine = rig.prefix
    rig.prefix = "another"
    rig.write()
    says = (
        f'this database is used by the service with kafka.prefix "{mine}", and this configuration'
        ' says "another"'
    )
    for words, code in (["status"], 3), (["jobs", "run", "sweep"], 3), (["db", "apply"], 1):
        done = rig.tried(*words)
        assert done.returncode == code and says in done.stderr, (
            words,
            done.returncode,
            done.stderr,
        )
    assert says in rig.tried("check", "--offline").stdout
    for name in "rollcall-scheduler", "rollcall-worker":
        done = subprocess.run(
            [program(name), "-c", str(rig.config)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1 and "one service a database" in done.stdout + done.stderr
    assert rig.database.rows("select prefix from rollcall.service") == [(mine,)]
    rig.rollcall("db", "apply", "--new-prefix")
    assert rig.database.rows("select prefix from rollcall.service") == [("another",)]
    assert rig.tried("jobs", "list").returncode == 0

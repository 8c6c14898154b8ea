# SPDX-License-Identifier: Apache-2.0
"""Who is there: rollcall workers, and one service a database."""

import json
import os
import signal
import subprocess

from harness.paths import program
from scheduler_service import make_service  # noqa: F401


def programs(service):
    return {
        (p["program"], p["pid"]): p
        for p in json.loads(service.rollcall("workers", "--json"))["programs"]
    }


def test_each_program_is_listed_and_leaves_the_list(make_service, embedded):
    service = make_service(embedded, people=1)
    service.write()
    assert "No program of this service is running" in service.rollcall("workers")
    leader, standby = service.scheduler(), service.scheduler()
    w = service.start(lanes=["tasks", "mail"])
    service.wait(
        lambda: (
            len(programs(service)) == 3
            and programs(service)["rollcall-worker", w.child.pid]["partitions"] == 8
        )
    )
    found = programs(service)
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
    assert service.stop(w) == 0
    assert set(programs(service)) == {
        ("rollcall-scheduler", leader.child.pid),
        ("rollcall-scheduler", standby.child.pid),
    }


def test_one_that_was_killed_is_gone(make_service, embedded):
    service = make_service(embedded, people=1)
    w = service.start(lanes=["tasks"])
    service.wait(lambda: programs(service))
    w.stopped = True
    os.kill(w.child.pid, signal.SIGKILL)
    w.child.wait()
    service.database.execute("update rollcall.process set seen_at = seen_at - interval '31 s'")
    service.wait(lambda: programs(service)["rollcall-worker", w.child.pid]["state"] == "gone")
    service.database.execute("update rollcall.process set seen_at = seen_at - interval '1 day'")
    service.scheduler()
    service.wait(lambda: ("rollcall-worker", w.child.pid) not in programs(service))


def test_one_in_a_long_statement_is_alive(make_service, embedded):
    service = make_service(embedded, people=1)
    w = service.start(lanes=["tasks"])
    service.wait(lambda: programs(service))
    service.database.execute("update rollcall.process set seen_at = seen_at - interval '5 min'")
    assert programs(service)["rollcall-worker", w.child.pid]["state"] == "alive"


def test_one_service_a_database(make_service, embedded):
    """Another prefix on the same database: every program says whose it is, and ends; nothing is
    changed.
    """
    service = make_service(embedded, people=1)
    service.write()
    mine = service.prefix
    service.prefix = "another"
    service.write()
    says = (
        f'this database is used by the service with kafka.prefix "{mine}", and this configuration'
        ' says "another"'
    )
    for words, code in (["status"], 3), (["jobs", "run", "sweep"], 3), (["db", "apply"], 1):
        done = service.tried(*words)
        assert done.returncode == code and says in done.stderr, (
            words,
            done.returncode,
            done.stderr,
        )
    assert says in service.tried("check", "--offline").stdout
    for name in "rollcall-scheduler", "rollcall-worker":
        done = subprocess.run(
            [program(name), "-c", str(service.config)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1 and "one service a database" in done.stdout + done.stderr
    assert service.database.rows("select prefix from rollcall.service") == [(mine,)]
    service.rollcall("db", "apply", "--new-prefix")
    assert service.database.rows("select prefix from rollcall.service") == [("another",)]
    assert service.tried("jobs", "list").returncode == 0

# SPDX-License-Identifier: Apache-2.0
"""Rows 0 to 8, 27 and 28 of docs/reliability.md: processes that die, sleep, are slow, starve,
come and go, or read a new configuration.
"""

import signal
import subprocess
import time
import uuid

import pytest
from cluster import LANES, encode_task
from harness.paths import program


def test_row_00_nothing_happens(cluster):
    """The same work and the same checks without a fault."""
    w = cluster()
    w.begin()
    w.ask()
    w.ask()
    w.grants(50)
    r = w.finish()
    assert (
        r.numbers["planned"] == 2 * 300 * 5
        and r.numbers["repeated_events"] == 0
        and r.numbers["mails"] == 600
    )


# ---- 1: a worker dies at a named place ----
DECIDING = [
    "worker.polled",
    "decide.uncommitted",
    "decide.committed",
    "outcomes.published",
    "outcomes.acked",
    "offsets.uncommitted",
    "offsets.committed",
    "positions.unwritten",
    "positions.written",
]
MAILING = [
    "mail.unsent",
    "smtp.message.unsent",
    "smtp.message.answered",
    "mail.sent",
    "settle.uncommitted",
    "settle.committed",
]
OWNING = ["partitions.claimed", "partitions.revoked", "recover.republished"]


def die_at(w, point, nth, job="sweep"):
    """A worker that dies at the nth passing of a place; beside it another one works on."""
    victim = w.worker(f"{point}=kill@{nth}")
    for _ in range(10):
        if not victim.running():
            break
        w.ask(job)
        try:
            w.wait(lambda: not victim.running(), 3)
        except AssertionError:
            if _ == 9:
                raise
    w.died(victim)


@pytest.mark.parametrize("point", DECIDING)
def test_row_01_killed_while_deciding(cluster, chance, point):
    w = cluster(people=200, verify_options={"repeated_mails": "killed"})
    w.begin(workers=1)
    die_at(
        w,
        point,
        chance.randrange(
            1, 120 if point == "outcomes.acked" else 3 if point.startswith("mark") else 6
        ),
    )
    w.ask()
    w.finish()


@pytest.mark.parametrize("point", MAILING)
def test_row_01_killed_while_mailing(cluster, chance, point):
    """A further mail, under the same Message-ID and counted as an attempt, where the answer was
    lost; with `hold` none.
    """
    w = cluster(people=150, verify_options={"repeated_mails": "killed"})
    w.begin(workers=1)
    die_at(
        w,
        point,
        chance.randrange(1, 40 if "message" in point else 3),
        chance.choice(["mailing", "careful"]),
    )
    w.ask("careful")
    w.finish()


@pytest.mark.parametrize("point", OWNING)
def test_row_01_killed_while_taking_over(cluster, chance, point):
    w = cluster(people=200, verify_options={"repeated_mails": "killed"})
    w.begin(workers=1)
    w.ask()
    victim = w.worker(
        f"{point}=kill@{1 if point == 'partitions.revoked' else chance.randrange(1, 4)}"
    )
    w.kill(w.processes[2])  # what it leaves is what the victim claims, and dies over
    if point == "partitions.revoked":
        w.wait_log(victim, "partitions assigned")
    third = w.worker()
    w.ask()
    w.died(victim)
    w.ask()
    w.finish()
    assert third.child.returncode == 0


def test_row_01_killed_while_taking_requests(cluster, chance):
    """Each request of a service is filed once, and done once, whichever worker files it."""
    w = cluster(people=100, services=("hr",))
    w.begin(workers=1)
    victim = w.worker(f"intake.committed=kill@{chance.randint(1, 3)}")
    for _ in range(20):
        subjects = [str(chance.randrange(1, 101)) for _ in range(30)]
        w.ask_as(
            "hr",
            [
                (
                    s.encode(),
                    encode_task(uuid.uuid4(), "club.grant", s, "asked", arguments={"days": "3"}),
                )
                for s in subjects
            ]
            + [(b"x", b"no request")],
        )
        if not victim.running():
            break
        time.sleep(0.3)
    w.died(victim)
    w.ask_as(
        "hr", [(b"7", encode_task(uuid.uuid4(), "club.purge", "7"))]
    )  # not its to request: refused, and answered
    r = w.finish()
    assert r.numbers["requested"] == r.numbers["adhoc"] - 1 == r.numbers["effects"]


# ---- 2, 5: schedulers ----
@pytest.mark.parametrize(
    "point, most",
    [
        ("plan.uncommitted", 1),
        ("plan.committed", 1),
        ("fanout.task", 599),
        ("fanout.chunk", 5),
        ("fanout.unnoted", 1),
        ("close.uncommitted", 1),
        ("announce.unnoted", 1),
    ],
)
def test_row_02_scheduler_killed(cluster, chance, point, most):
    """At each place of a run's life, above all with half of its tasks published: the next one
    completes it under the same ids.
    """
    w = cluster()
    w.start("aggregator")
    w.worker()
    first = w.start("scheduler", f"{point}=kill@{chance.randint(1, most)}")
    w.ask()
    w.died(first)
    w.start("scheduler")
    w.finish()
    assert w.value("select count(*) from rollcall.run") == 1


@pytest.mark.parametrize("point, most", [("requests.task", 250), ("requests.unnoted", 1)])
def test_row_02_scheduler_killed_while_publishing_requests(cluster, chance, point, most):
    """Half of a request is on its lane when the scheduler dies: the next one publishes it under
    the same ids.
    """
    w = cluster()
    w.start("aggregator")
    w.worker()
    first = w.start("scheduler", f"{point}=kill@{chance.randint(1, most)}")
    assert w.requests(250) == 250
    w.died(first)
    w.start("scheduler")
    assert w.requests(250) == 0
    r = w.finish()
    assert r.numbers["requested"] == r.numbers["effects"] == 250


@pytest.mark.parametrize(
    "how",
    [
        "plan.uncommitted=stop@1",
        "fanout.task=stop@%d",
        "fanout.unnoted=stop@1",
        "close.uncommitted=stop@1",
        "signal",
    ],
)
def test_row_05_leader_paused_past_its_lease(cluster, chance, how):
    """Back again it changes nothing; each run is planned, published and closed once."""
    w = cluster()
    w.start("aggregator")
    w.worker()
    first = w.start(
        "scheduler", "" if how == "signal" else how % chance.randint(1, 599) if "%" in how else how
    )
    w.wait_log(first, "leading")
    second = w.start("scheduler")
    w.ask()
    if how == "signal":
        time.sleep(chance.random() * 0.5)
        first.send_signal(signal.SIGSTOP)
    w.wait_log(second, 'msg="leading"', 10)
    w.ask()
    w.wait_done(300)
    first.send_signal(signal.SIGCONT)
    w.wait_log(first, "no longer leading", 10)
    w.ask()
    w.finish()
    assert w.value("select count(*) from rollcall.run") == 3


# ---- 3: the aggregator ----
@pytest.mark.parametrize("point", ["totals.uncommitted", "totals.committed"])
def test_row_03_aggregator_killed_in_mid_batch(cluster, chance, point):
    w = cluster()
    first = w.start("aggregator", f"{point}=kill@{chance.randint(1, 3)}")
    w.start("scheduler")
    w.worker()
    for _ in range(5):
        w.ask()
        time.sleep(0.4)
    w.died(first)
    second = w.start("aggregator", f"{point}=kill@{chance.randint(1, 2)}")
    w.ask()
    w.died(second)
    w.start("aggregator")
    w.ask()
    w.finish()


# ---- 4, 6, 7, 8: workers that sleep, are slow, come and go ----
@pytest.mark.parametrize(
    "place",
    [
        "decide.uncommitted",
        "decide.committed",
        "mail.unsent",
        "mail.sent",
        "settle.uncommitted",
        "positions.unwritten",
        "signal",
    ],
)
def test_row_04_paused_past_its_session(cluster, chance, place):
    """Frozen at a place of the protocol, or anywhere; another takes over; back again it writes
    nothing. What it may do again is a mail.
    """
    w = cluster(people=200, verify_options={"repeated_mails": "paused"})
    w.begin(workers=1)
    nth = chance.randint(1, 2)
    frozen = w.worker("" if place == "signal" else f"{place}=stop@{nth}")
    w.wait_log(frozen, "partitions assigned")
    w.ask()
    if place == "signal":
        w.wait_done(chance.randint(1, 400))
        frozen.send_signal(signal.SIGSTOP)
    else:
        w.wait_log(frozen, "failpoint name=")
    frozen.expected = True
    w.ask()
    w.wait(
        lambda: w.value("select count(*) from rollcall.run where state <> 'succeeded'") == 0,
        40,
        "the others' completing all runs",
    )
    frozen.send_signal(signal.SIGCONT)
    w.ask()
    w.wait(lambda: frozen.text().count("partitions assigned") > 4, 30, "its coming back")
    w.finish()


def test_row_06_a_task_longer_than_the_poll_interval(cluster):
    """The statement takes longer than Kafka lets a consumer be silent: the partition may move,
    the work is done once, and not again and again.
    """
    w = cluster(people=4, batch=2, properties='"max.poll.interval.ms=3000"')
    w.begin(workers=2)
    w.ask("napping", "--set", "nap=4")
    w.ask("bumping")
    w.finish(timeout=120)


def test_row_07_rebalance_storm(cluster, chance):
    w = cluster(people=600, batch=20, threads=2, verify_options={"repeated_mails": "killed"})
    w.begin(workers=1)
    for _n in range(7):
        w.ask()
        w.worker()
        time.sleep(0.5 + chance.random() * 1.5)
        workers = [p for p in w.processes if p.kind == "worker" and p.running()]
        if len(workers) > 2:
            victim = chance.choice(workers[1:])
            if chance.random() < 0.3:
                w.kill(victim)
            else:
                assert w.stop(victim) == 0
    w.finish(timeout=90)


@pytest.mark.parametrize("how", ["drain", "deadline", "second"])
def test_row_08_terminated_while_busy(cluster, chance, how):
    """A drain ends in time with 0, also when the work in hand does not; a second signal ends it
    at once. What is left is taken over.
    """
    w = cluster(people=400, batch=20, drain="1s", verify_options={"repeated_mails": "killed"})
    if how != "drain":  # a relay that does not answer keeps the mail lane busy
        w.smtp_proxy.black_hole("down")
    workers = w.begin(workers=2, **w.through(smtp=w.smtp_proxy))
    w.ask()
    w.wait_done(chance.randint(50, 800))
    if how != "drain":
        w.wait(
            lambda: w.value("select count(*) from rollcall.outcome where outcome = -1") > 0,
            20,
            "mails under way",
        )
    start = time.monotonic()
    workers[0].expected = True
    workers[0].send_signal(signal.SIGTERM)
    if how == "second":
        time.sleep(0.1)
        workers[0].send_signal(signal.SIGTERM)
    assert workers[0].wait(20) == 0, w.tail()
    took = time.monotonic() - start
    print(f"{how}: left after {took:.1f} s")
    assert (
        took < {"drain": 5, "deadline": 9, "second": 5}[how]
    )  # a message under way has its own time limit of 3 s
    w.smtp_proxy.heal()
    w.worker()
    w.finish()


# ---- 27: memory ----
@pytest.mark.parametrize(
    "kind, lanes",
    [("worker", LANES), ("worker", '"mail"'), ("scheduler", LANES), ("aggregator", LANES)],
)
def test_row_27_allocations_fail(cluster, chance, kind, lanes):
    """One allocation of the program's own fails, somewhere, again and again; who ends is started
    again. No task is blamed for it.
    """
    w = cluster(people=150, batch=20, verify_options={"repeated_mails": "killed"})
    for other in {"worker", "scheduler", "aggregator"} - {kind}:
        w.start(other)
    hit, ended, tries = 0, 0, 0
    first, last = (
        (10, 10000) if lanes == LANES else (1000, 2500)
    )  # a worker's first thousand allocations are its start
    while tries < 5 or (hit < 2 and tries < 15):
        tries += 1
        nth = int(first * (last / first) ** chance.random())
        starving = w.start(kind, f"malloc=error@{nth}", ready=False, lanes=lanes)
        w.ask("sweep" if lanes == LANES else "mailing")
        end = time.monotonic() + 3
        while (
            time.monotonic() < end
            and starving.running()
            and "failpoint name=malloc" not in starving.text()
        ):
            time.sleep(0.02)
        time.sleep(0.5)
        reached = "failpoint name=malloc" in starving.text()
        hit += reached
        last = last if reached else nth
        ended += not starving.running()
        if starving.running():
            assert w.stop(starving) in (0, 1), w.tail()
        else:
            assert starving.child.returncode in (0, 1, 3), f"{starving.child.returncode}{w.tail()}"
    w.start(kind)
    w.finish(timeout=90)
    print(f"{hit} allocations failed in {tries} tries, {ended} processes ended")
    assert hit >= 2
    assert (
        w.value("select count(*) from rollcall.outcome_all where outcome not in (0, 1)") == 0
        and w.value("select count(*) from rollcall.dead_letter") == 0
    )


def test_row_27_an_allocation_fails_at_the_start(cluster, chance):
    """Whichever of a worker's first allocations it is: it ends in order, or continues."""
    w = cluster(people=1)
    for nth in chance.sample(range(40, 200), 12):
        starving = w.start("worker", f"malloc=error@{nth}", ready=False)
        starving.wait_until(
            lambda: "failpoint name=malloc" in starving.text() or not starving.running(), 20
        )
        time.sleep(0.5)
        assert not starving.running() or w.stop(starving) in (0, 1), w.tail()
        assert starving.child.returncode in (
            0,
            1,
            3,
        ), f"allocation {nth}: {starving.child.returncode}{w.tail()}"


# ---- 28: configuration ----
def test_row_28_reload(cluster, chance):
    """While busy. Invalid or half-written: the old one stays in force, and it is logged. Valid:
    drained and restarted under the same process id.
    """
    w = cluster(people=300, batch=20, verify_options={"repeated_mails": "killed"})

    def half(text):
        """A file that is written for a part: one that still is a configuration would be taken,
        and rightly.
        """
        while True:
            cut = w.folder / "cut.cfg"
            cut.write_text(text[: chance.randint(len(text) // 4, len(text) * 3 // 4)])
            if (
                subprocess.run(
                    [program("rollcall-worker"), "-c", cut, "--check-config"], capture_output=True
                ).returncode
                == 3
            ):
                return cut.read_text()

    for process in w.begin(workers=1) + w.processes[:2]:
        path = w.folder / "cfg" / f"{process.name}.cfg"
        good, pid = path.read_text(), process.pid
        w.ask()
        w.wait_done(20)
        for bad in (
            good.replace("partitions = 4", 'partitions = "four"'),
            half(good),
            "",
            good + "\0\0",
        ):
            path.write_text(bad)
            refused = process.text().count("reload refused")
            process.send_signal(signal.SIGHUP)
            w.wait(
                lambda: process.text().count("reload refused") > refused,
                15,
                f"{process.name} refusing",
            )
        path.write_text(good)
        ready = process.text().count('msg="ready"')
        process.send_signal(signal.SIGHUP)
        w.wait(
            lambda: process.text().count('msg="ready"') > ready, 30, f"{process.name} starting anew"
        )
        assert process.pid == pid and process.running()
    w.ask()
    w.finish()

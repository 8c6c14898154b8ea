# SPDX-License-Identifier: Apache-2.0
"""rollcall runs cancel: whatever state a run is in, nothing more of it is done."""

import json
import time

import pytest
from scheduler_service import rig  # noqa: F401
from worker_service import sink, through  # noqa: F401

CANCEL = ["runs", "cancel", "--yes", "--json"]


def cancel(rig, run, *options):
    return json.loads(rig.rollcall(*CANCEL, run, *options))


def test_a_mailing_stops_within_a_batch(rig, embedded, sink):
    """The relay takes two mails a second on each of its connections."""
    relay = sink()
    rig = rig(embedded, people=400)
    through(rig, relay.port)
    rig.mail += " connections = 2;"
    rig.database.execute("update person set email = 'slow@example.org'")
    rig.scheduler()
    rig.start(lanes=["mail", "urgent"])
    run = rig.ask("mailing")
    rig.wait(lambda: len(list(relay.folder.glob("*.eml"))) > 10)
    before = len(list(relay.folder.glob("*.eml")))
    shown = cancel(rig, run, "--reason", "wrong template")
    assert (
        shown["state"] == "cancelled"
        and shown["reason"].endswith(": wrong template")
        and shown["planned"] == 400
    )
    rig.wait(
        lambda: (
            rig.database.value("select done from rollcall.run_progress where run_id = %s", (run,))
            == 400
        )
    )
    sent = len(list(relay.folder.glob("*.eml")))
    assert sent <= before + 30, f"{before} before, {sent} in all"
    assert rig.database.rows(
        "select outcome, reason, count(*) from rollcall.outcome_named where type = 'club.write'"
        " group by 1, 2 order by 1"
    ) == [("applied", "", sent), ("skipped", "run cancelled", 400 - sent)]
    rig.wait(
        lambda: rig.database.value("select count(*) from told where run = %s", (run,)) == 1
    )  # on_finish; who cancelled it knows
    rig.wait(lambda: [e["state"] for e in rig.announced(run)][-1:] == ["cancelled"])
    assert rig.database.rows(
        "select kind, actor, about, detail from rollcall.request where kind = 'cancel run'"
    ) == [
        (
            "cancel run",
            rig.database.value("select session_user::text"),
            run,
            {"reason": "wrong template"},
        )
    ]


def test_mails_that_wait_for_the_relay_are_not_sent_when_it_is_back(rig, embedded, sink):
    relay = sink()
    port = relay.port
    relay.kill()
    relay.wait()
    rig = rig(embedded, people=20)
    through(rig, port)
    rig.scheduler()
    w = rig.start(lanes=["mail", "urgent"])
    run = rig.ask("mailing")
    rig.wait_log(w, "mail relay unavailable")
    cancel(rig, run)
    back = sink(port)
    rig.wait(
        lambda: (
            rig.database.value(
                "select skipped from rollcall.run_progress where run_id = %s", (run,)
            )
            == 20
        )
    )
    assert list(back.folder.glob("*.eml")) == []


def test_in_the_middle_of_planning(rig, embedded):
    """The plan that is being made holds nobody up, and comes to nothing."""
    rig = rig(embedded, people=3)
    rig.scheduler()
    run = rig.ask("slow")
    rig.wait(
        lambda: rig.database.value(
            "select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"
        )
    )
    started = time.monotonic()
    assert cancel(rig, run)["state"] == "cancelled" and time.monotonic() - started < 3
    rig.wait(
        lambda: (
            rig.database.value(
                "select count(*) from pg_stat_activity where query like 'fetch%%' and state ="
                " 'active'"
            )
            == 0
        )
    )
    rig.wait(lambda: [e["state"] for e in rig.announced(run)] == ["cancelled"])
    assert rig.database.value("select count(*) from rollcall.plan") == 0
    rig.until(rig.ask("sweep"), "published")


def test_without_a_scheduler_and_before_it_was_taken_up(rig, embedded):
    rig = rig(embedded, people=3)
    rig.write()
    rig.rollcall("db", "apply")
    run = rig.ask("sweep")
    assert cancel(rig, run)["state"] == "cancelled"
    rig.scheduler()
    rig.until(rig.ask("daily"), "published")
    assert rig.state(run) == "cancelled" and rig.row(run, "planned_at") == (None,)


def test_publishing_stops_at_once(rig, embedded):
    """Of a run of many chunks only what Kafka has taken already is ever published."""
    rig = rig(embedded, people=200000, scheduler='lease = "2s"; tick = "200ms"; chunk = 1000;')
    s = rig.scheduler()  # no worker: publishing is held back before the end
    run = rig.ask("sweep")
    rig.wait(lambda: rig.row(run, "chunks_published")[0] > 2)
    cancel(rig, run)
    rig.wait_log(s, "run's end announced")
    published = len(rig.values("tasks"))
    assert published < 200000
    time.sleep(1)
    assert len(rig.values("tasks")) == published
    assert "tasks have no outcome: what is not published is not done" in rig.rollcall(
        "runs", "show", run
    )


@pytest.mark.parametrize("state", ["succeeded", "refused", "cancelled"])
def test_a_closed_run_is_not_cancelled(rig, embedded, state):
    rig = rig(embedded, people=1)
    rig.write()
    rig.rollcall("db", "apply")
    run = rig.ask("sweep")
    rig.database.execute("update rollcall.run set state = %s, closed_at = now()", (state,))
    done = rig.tried("runs", "cancel", run, "--yes")
    assert done.returncode == 7 and f"is closed already: {state}" in done.stderr
    assert (
        rig.database.value("select count(*) from rollcall.request where kind = 'cancel run'") == 0
    )


def test_runs_cancel_asks_first(rig, embedded):
    rig = rig(embedded, people=1)
    rig.write()
    rig.rollcall("db", "apply")
    run = rig.ask("sweep")
    done = rig.tried("runs", "cancel", run)
    assert (
        done.returncode == 7 and "needs a terminal" in done.stderr and rig.state(run) == "requested"
    )
    done = rig.tried("runs", "cancel", run, "--yes", "--reason", " ")
    assert done.returncode == 2 and "--reason is empty" in done.stderr

# SPDX-License-Identifier: Apache-2.0
"""rollcall runs cancel: whatever state a run is in, nothing more of it is done."""

import json
import time

import pytest
from scheduler_service import make_service  # noqa: F401
from worker_service import mail_sink, through  # noqa: F401

CANCEL = ["runs", "cancel", "--yes", "--json"]


def cancel(service, run, *options):
    return json.loads(service.rollcall(*CANCEL, run, *options))


def test_a_mailing_stops_within_a_batch(make_service, embedded, mail_sink):
    """The relay takes two mails a second on each of its connections."""
    relay = mail_sink()
    service = make_service(embedded, people=400)
    through(service, relay.port)
    service.mail += " connections = 2;"
    service.database.execute("update person set email = 'slow@example.org'")
    service.scheduler()
    service.start(lanes=["mail", "urgent"])
    run = service.ask("mailing")
    service.wait(lambda: len(list(relay.folder.glob("*.eml"))) > 10)
    before = len(list(relay.folder.glob("*.eml")))
    shown = cancel(service, run, "--reason", "wrong template")
    assert (
        shown["state"] == "cancelled"
        and shown["reason"].endswith(": wrong template")
        and shown["planned"] == 400
    )
    service.wait(
        lambda: (
            service.database.value(
                "select done from rollcall.run_progress where run_id = %s", (run,)
            )
            == 400
        )
    )
    sent = len(list(relay.folder.glob("*.eml")))
    assert sent <= before + 30, f"{before} before, {sent} in all"
    assert service.database.rows(
        "select outcome, reason, count(*) from rollcall.outcome_named where type = 'club.write'"
        " group by 1, 2 order by 1"
    ) == [("applied", "", sent), ("skipped", "run cancelled", 400 - sent)]
    service.wait(
        lambda: service.database.value("select count(*) from told where run = %s", (run,)) == 1
    )  # on_finish; who cancelled it knows
    service.wait(lambda: [e["state"] for e in service.announced(run)][-1:] == ["cancelled"])
    assert service.database.rows(
        "select kind, actor, about, detail from rollcall.request where kind = 'cancel run'"
    ) == [
        (
            "cancel run",
            service.database.value("select session_user::text"),
            run,
            {"reason": "wrong template"},
        )
    ]


def test_mails_that_wait_for_the_relay_are_not_sent_when_it_is_back(
    make_service, embedded, mail_sink
):
    relay = mail_sink()
    port = relay.port
    relay.kill()
    relay.wait()
    service = make_service(embedded, people=20)
    through(service, port)
    service.scheduler()
    w = service.start(lanes=["mail", "urgent"])
    run = service.ask("mailing")
    service.wait_log(w, "mail relay unavailable")
    cancel(service, run)
    back = mail_sink(port)
    service.wait(
        lambda: (
            service.database.value(
                "select skipped from rollcall.run_progress where run_id = %s", (run,)
            )
            == 20
        )
    )
    assert list(back.folder.glob("*.eml")) == []


def test_in_the_middle_of_planning(make_service, embedded):
    """The plan that is being made holds nobody up, and comes to nothing."""
    service = make_service(embedded, people=3)
    service.scheduler()
    run = service.ask("slow")
    service.wait(
        lambda: service.database.value(
            "select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"
        )
    )
    started = time.monotonic()
    assert cancel(service, run)["state"] == "cancelled" and time.monotonic() - started < 3
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from pg_stat_activity where query like 'fetch%%' and state ="
                " 'active'"
            )
            == 0
        )
    )
    service.wait(lambda: [e["state"] for e in service.announced(run)] == ["cancelled"])
    assert service.database.value("select count(*) from rollcall.plan") == 0
    service.until(service.ask("sweep"), "published")


def test_without_a_scheduler_and_before_it_was_planned(make_service, embedded):
    service = make_service(embedded, people=3)
    service.write()
    service.rollcall("db", "apply")
    run = service.ask("sweep")
    assert cancel(service, run)["state"] == "cancelled"
    service.scheduler()
    service.until(service.ask("daily"), "published")
    assert service.state(run) == "cancelled" and service.row(run, "planned_at") == (None,)


def test_publishing_stops_at_once(make_service, embedded):
    """Of a run of many chunks only what Kafka has taken already is ever published."""
    service = make_service(
        embedded, people=200000, scheduler='lease = "2s"; tick = "200ms"; chunk = 1000;'
    )
    s = service.scheduler()  # no worker: publishing is held back before the end
    run = service.ask("sweep")
    service.wait(lambda: service.row(run, "chunks_published")[0] > 2)
    cancel(service, run)
    service.wait_log(s, "run's end announced")
    published = len(service.values("tasks"))
    assert published < 200000
    time.sleep(1)
    assert len(service.values("tasks")) == published
    assert "tasks have no outcome: what is not published is not done" in service.rollcall(
        "runs", "show", run
    )


@pytest.mark.parametrize("state", ["succeeded", "refused", "cancelled"])
def test_a_closed_run_is_not_cancelled(make_service, embedded, state):
    service = make_service(embedded, people=1)
    service.write()
    service.rollcall("db", "apply")
    run = service.ask("sweep")
    service.database.execute("update rollcall.run set state = %s, closed_at = now()", (state,))
    done = service.tried("runs", "cancel", run, "--yes")
    assert done.returncode == 7 and f"is closed already: {state}" in done.stderr
    assert (
        service.database.value("select count(*) from rollcall.request where kind = 'cancel run'")
        == 0
    )


def test_runs_cancel_asks_first(make_service, embedded):
    service = make_service(embedded, people=1)
    service.write()
    service.rollcall("db", "apply")
    run = service.ask("sweep")
    done = service.tried("runs", "cancel", run)
    assert (
        done.returncode == 7
        and "needs a terminal" in done.stderr
        and service.state(run) == "requested"
    )
    done = service.tried("runs", "cancel", run, "--yes", "--reason", " ")
    assert done.returncode == 2 and "--reason is empty" in done.stderr

# SPDX-License-Identifier: Apache-2.0
"""What no worker could tell: somebody is told by the scheduler, or by the aggregator when there
is none.
"""

import http.server
import json
import threading

import pytest
import worker_pack
from harness.paths import program
from harness.process import Process
from scheduler_service import rig  # noqa: F401


@pytest.fixture
def hook(tmp_path):
    """A webhook; what it was told."""
    told = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = tmp_path / "alert.url"
    path.write_text(f"http://127.0.0.1:{server.server_port}/")
    path.chmod(0o600)
    yield told
    server.shutdown()


def subjects(rig):
    return [m.subject for m in rig.mails() if m.to == "ops@example.org"]


def status(rig):
    done = rig.tried("status", "--json")
    return done.returncode, {t["what"] for t in json.loads(done.stdout)["troubles"]}


def test_no_worker_for_what_services_ask_for(rig, embedded):
    """Said once, however many services wait."""
    rig = rig(
        embedded,
        people=3,
        more=(
            'intake = ( { service = "a"; types = [ "club.bump" ]; }, { service = "b"; types = ['
            ' "club.bump" ]; } );'
        ),
    )
    rig.alert = 'to = "ops@example.org"; from = "rollcall@example.org"; after = "1s";'
    s = rig.scheduler()
    rig.start(lanes=["jobs", "tasks", "urgent", "mail"])
    rig.wait(lambda: status(rig) == (0, set()))
    for service in ("a", "b"):
        for n in (1, 2):
            rig.producer.produce(
                f"{rig.prefix}.intake.{service}", worker_pack.adhoc("club.bump", n).bytes, b"k"
            )
    assert rig.producer.flush(20) == 0
    rig.wait(lambda: subjects(rig) == [f"[{rig.prefix}] no worker: intake"])
    rig.start(lanes=["intake"])
    rig.wait(lambda: len(subjects(rig)) == 2)
    assert (
        len(
            [
                line
                for line in s.text().splitlines()
                if 'msg="problem"' in line and "no worker: intake" in line
            ]
        )
        == 1
    )
    rig.wait(
        lambda: (
            rig.database.value(
                "select count(*) from rollcall.outcome_adhoc where outcome = 0 and actor in ('a',"
                " 'b')"
            )
            == 4
        )
    )
    rig.stop_all()


def test_no_worker_for_a_lane_with_work(rig, embedded, hook):
    rig = rig(embedded, people=3)
    rig.alert = (
        'to = "ops@example.org"; from = "rollcall@example.org"; webhook_file = "alert.url"; after ='
        ' "1s";'
    )
    s = rig.scheduler()
    rig.start(lanes=["jobs", "urgent", "mail"])
    rig.wait(lambda: status(rig) == (0, set()))
    run = rig.ask("sweep")
    rig.wait(lambda: subjects(rig))
    assert status(rig) == (1, {"no worker: tasks"})
    assert (
        "TROUBLE" in rig.tried("status").stdout
        and 'no worker serves the lane "tasks", and 3 messages wait' in rig.tried("status").stdout
    )
    w = rig.start(lanes=["tasks"])
    rig.until(run, "succeeded")
    rig.wait(lambda: len(subjects(rig)) == 2)
    assert status(rig) == (0, set())
    assert (
        subjects(rig)
        == [f"[{rig.prefix}] no worker: tasks", f"[{rig.prefix}] over: no worker: tasks"]
        == [h["subject"] for h in hook]
    )
    assert hook[0]["service"] == rig.prefix and "3 messages wait" in hook[0]["text"]
    assert (
        len(
            [
                line
                for line in s.text().splitlines()
                if 'msg="problem"' in line and "level=error" in line
            ]
        )
        == 1
    )
    assert rig.database.rows("select * from rollcall.alert") == []
    rig.stop(w)


def test_a_run_that_does_not_close(rig, embedded):
    rig = rig(embedded, people=3, scheduler='lease = "2s"; tick = "200ms"; stuck_after = "2s";')
    rig.alert = 'to = "ops@example.org"; after = "1s";'
    with rig.database.connect() as gate:
        gate.execute("select pg_advisory_lock(77)")
        rig.scheduler()
        rig.start()
        run = rig.ask("alone")
        rig.wait(lambda: subjects(rig) == [f"[{rig.prefix}] run does not close: {run}"])
        assert status(rig) == (1, {f"run does not close: {run}"})
        gate.execute("select pg_advisory_unlock(77)")
    rig.until(run, "succeeded")
    rig.wait(lambda: status(rig) == (0, set()))


def test_no_scheduler_is_told_by_the_aggregator(rig, embedded):
    rig = rig(embedded, people=3)
    rig.alert = 'to = "ops@example.org"; after = "1s";'
    rig.write()
    assert status(rig) == (1, {"no scheduler"})
    a = Process([program("rollcall-aggregator"), "-c", rig.config], rig.folder / "aggregator")
    a.stopped = False
    rig.started.append(a)
    rig.wait(lambda: subjects(rig) == [f"[{rig.prefix}] no scheduler"])
    rig.scheduler()
    rig.wait(
        lambda: (
            subjects(rig) == [f"[{rig.prefix}] no scheduler", f"[{rig.prefix}] over: no scheduler"]
        )
    )


def test_a_relay_that_is_away_is_tried_again(rig, embedded):
    rig = rig(embedded, people=3)
    rig.mail = 'transport = "smtp"; url = "smtp://127.0.0.1:9"; tls = "none";'
    rig.alert = 'to = "ops@example.org"; after = "1s";'
    s = rig.scheduler()
    rig.ask("sweep")
    rig.wait(lambda: s.text().count("alert could not be sent, will retry") >= 2)
    assert rig.tried("jobs", "list").returncode == 0

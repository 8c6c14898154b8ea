# SPDX-License-Identifier: Apache-2.0
"""What no worker could report: it is reported by the scheduler, or by the aggregator when there
is none.
"""

import http.server
import json
import threading

import pytest
import worker_pack
from harness.paths import program
from harness.process import Process
from scheduler_service import make_service  # noqa: F401


@pytest.fixture
def hook(tmp_path):
    """A webhook; what it received."""
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


def subjects(service):
    return [m.subject for m in service.mails() if m.to == "ops@example.org"]


def status(service):
    done = service.tried("status", "--json")
    return done.returncode, {t["what"] for t in json.loads(done.stdout)["troubles"]}


def test_no_worker_for_what_services_ask_for(make_service, embedded):
    """Reported once, however many services wait."""
    service = make_service(
        embedded,
        people=3,
        more=(
            'intake = ( { service = "a"; types = [ "club.bump" ]; }, { service = "b"; types = ['
            ' "club.bump" ]; } );'
        ),
    )
    service.alert = 'to = "ops@example.org"; from = "rollcall@example.org"; after = "1s";'
    s = service.scheduler()
    service.start(lanes=["jobs", "tasks", "urgent", "mail"])
    service.wait(lambda: status(service) == (0, set()))
    for name in ("a", "b"):
        for n in (1, 2):
            service.producer.produce(
                f"{service.prefix}.intake.{name}", worker_pack.adhoc("club.bump", n).bytes, b"k"
            )
    assert service.producer.flush(20) == 0
    service.wait(lambda: subjects(service) == [f"[{service.prefix}] no worker: intake"])
    service.start(lanes=["intake"])
    service.wait(lambda: len(subjects(service)) == 2)
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
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from rollcall.outcome_adhoc where outcome = 0 and actor in ('a',"
                " 'b')"
            )
            == 4
        )
    )
    service.stop_all()


def test_no_worker_for_a_lane_with_work(make_service, embedded, hook):
    service = make_service(embedded, people=3)
    service.alert = (
        'to = "ops@example.org"; from = "rollcall@example.org"; webhook_file = "alert.url"; after ='
        ' "1s";'
    )
    s = service.scheduler()
    service.start(lanes=["jobs", "urgent", "mail"])
    service.wait(lambda: status(service) == (0, set()))
    run = service.ask("sweep")
    service.wait(lambda: subjects(service))
    assert status(service) == (1, {"no worker: tasks"})
    assert (
        "TROUBLE" in service.tried("status").stdout
        and 'no worker serves the lane "tasks", and 3 messages wait'
        in service.tried("status").stdout
    )
    w = service.start(lanes=["tasks"])
    service.until(run, "succeeded")
    service.wait(lambda: len(subjects(service)) == 2)
    assert status(service) == (0, set())
    assert (
        subjects(service)
        == [f"[{service.prefix}] no worker: tasks", f"[{service.prefix}] over: no worker: tasks"]
        == [h["subject"] for h in hook]
    )
    assert hook[0]["service"] == service.prefix and "3 messages wait" in hook[0]["text"]
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
    assert service.database.rows("select * from rollcall.alert") == []
    service.stop(w)


def test_a_run_that_does_not_close(make_service, embedded):
    service = make_service(
        embedded, people=3, scheduler='lease = "2s"; tick = "200ms"; stuck_after = "2s";'
    )
    service.alert = 'to = "ops@example.org"; after = "1s";'
    with service.database.connect() as gate:
        gate.execute("select pg_advisory_lock(77)")
        service.scheduler()
        service.start()
        run = service.ask("alone")
        service.wait(lambda: subjects(service) == [f"[{service.prefix}] run does not close: {run}"])
        assert status(service) == (1, {f"run does not close: {run}"})
        gate.execute("select pg_advisory_unlock(77)")
    service.until(run, "succeeded")
    service.wait(lambda: status(service) == (0, set()))


def test_no_scheduler_is_reported_by_the_aggregator(make_service, embedded):
    service = make_service(embedded, people=3)
    service.alert = 'to = "ops@example.org"; after = "1s";'
    service.write()
    assert status(service) == (1, {"no scheduler"})
    a = Process(
        [program("rollcall-aggregator"), "-c", service.config], service.folder / "aggregator"
    )
    a.stopped = False
    service.started.append(a)
    service.wait(lambda: subjects(service) == [f"[{service.prefix}] no scheduler"])
    service.scheduler()
    service.wait(
        lambda: (
            subjects(service)
            == [f"[{service.prefix}] no scheduler", f"[{service.prefix}] over: no scheduler"]
        )
    )


def test_an_unavailable_relay_is_retried(make_service, embedded):
    service = make_service(embedded, people=3)
    service.mail = 'transport = "smtp"; url = "smtp://127.0.0.1:9"; tls = "none";'
    service.alert = 'to = "ops@example.org"; after = "1s";'
    s = service.scheduler()
    service.ask("sweep")
    service.wait(lambda: s.text().count("alert could not be sent, will retry") >= 2)
    assert service.tried("jobs", "list").returncode == 0

# SPDX-License-Identifier: Apache-2.0
"""What a worker does besides SQL: follow-ups, mail into a Maildir and to an SMTP server,
webhooks, reports, files.
"""

import base64
import gzip
import hashlib
import hmac
import json
import os
import re
import time
from collections import Counter
from datetime import timedelta

import pytest
from harness.process import free_port
from worker_pack import NOON, Run, adhoc
from worker_service import mail_sink, make_service, through  # noqa: F401


def test_follow_ups_are_published_and_counted(make_service, broker):
    """Published and counted: those that the statement names, or else all that the type declares;
    also those of a mail, once it has gone.
    """
    service = make_service(broker, people=60)
    service.database.execute("update person set active = false where id > 50")
    run = Run(service)
    service.send(
        run.plan(
            [run.task("enrol", n, "x") for n in range(1, 61)]
            + [run.task("choose", n) for n in range(1, 11)]
        )
    )
    service.start()
    service.wait(run.complete)
    assert run.progress() == {
        "planned": 70 + 155,
        "applied": 60 + 155,
        "skipped": 10,
        "failed": 0,
        "quarantined": 0,
        "unknown": 0,
        "spawned": 100 + 5 + 50,
        "done": 225,
        "digest_matches": True,
    }
    counts = service.database.rows("select type, count(*) from rollcall.outcome_named group by 1")
    assert dict(counts) == {
        "club.enrol": 60,
        "club.choose": 10,
        "club.welcome": 55,
        "club.greet": 50,
        "club.thanks": 50,
    }
    assert {m.to for m in service.mails()} == {f"p{n}@example.org" for n in range(1, 51)}
    assert (
        service.database.value("select count(*) from journal where type = 'bump'") == 50 + 55 + 50
    )
    service.check_ledger(service.events())
    follow = [r for _, _, _, kind, r in service.read("urgent")]
    assert {(t["actor"], t["scheduled_at"], t["run_id"]) for t in follow} == {
        ("cli:bob", NOON, run.id)
    }
    service.stop_all()


def test_mail_into_a_maildir(make_service, broker):
    service = make_service(broker, people=6)
    service.database.execute(
        "update person set email = case id when 2 then 'none' when 3 then 'not an address' when 4"
        " then '' else email end, active = id <> 5, trap = case id when 6 then 'record' else ''"
        " end, note = case id when 1 then 'Linha 1: ção' end"
    )
    run = Run(service)
    tasks = run.plan([run.task("greet", n, "i") for n in range(1, 8)])
    service.send(tasks + tasks, "mail")
    service.send_raw(b"junk", lane="mail", partition=0)
    service.send_raw(b"junk", lane="mail", partition=1)
    assert service.producer.flush(30) == 0
    service.start(lanes=["mail", "tasks"])
    service.wait(run.complete)
    outcomes = run.outcomes("greet")
    assert (
        outcomes["1"] == ("applied", "")
        and outcomes["2"] == ("failed", "has no mail")
        and outcomes["4"] == ("failed", "no mail address")
    )
    assert outcomes["5"] == ("skipped", "is away") and outcomes["7"] == ("skipped", "not eligible")
    assert outcomes["3"][0] == "failed" and "address" in outcomes["3"][1]
    assert outcomes["6"][0] == "applied" and re.match(
        r"applied, not recorded: .*\(SQLSTATE 23502\)", outcomes["6"][1]
    )
    mails = {m.to: m for m in service.mails()}
    assert set(mails) == {"p1@example.org", "p6@example.org"} and len(service.mails()) == 2
    m = mails["p1@example.org"]
    assert (
        m.id == f"<{tasks[0].id}@mail.example.org>"
        and m.subject == "Olá Zé <1>"
        and "Linha 1: ção" in m.text
        and "Zé &lt;1&gt;" in m.html
    )
    assert service.database.rows("select subject, item from sent") == [(1, "i")]
    assert run.progress()["digest_matches"] and run.progress()["spawned"] == 2
    service.check_ledger(service.events())
    assert len(service.read("dead-letters")) == 2
    service.stop_all()


def test_mail_over_smtp(make_service, kafka, mail_sink):
    """Refused: failed at once. Deferred: tried three times, then quarantined. A lost answer:
    sent again with the same Message-ID, or held.
    """
    service, server = make_service(kafka, people=9), mail_sink()
    through(service, server.port)
    for n, local in enumerate(
        ["refuse550", "defer451", "data550", "data451", "drop", "dropkept"], start=2
    ):
        service.database.execute(
            "update person set email = %s where id = %s", (f"{local}@example.org", n)
        )
    run = Run(service)
    tasks = run.plan(
        [run.task("greet", n) for n in range(1, 10)] + [run.task("careful", n) for n in (1, 6, 7)]
    )
    service.send(tasks, "mail")
    service.start(lanes=["mail", "tasks"])
    service.wait(run.complete)
    assert {s: o for s, (o, _) in run.outcomes("greet").items()} == {
        "1": "applied",
        "2": "failed",
        "3": "quarantined",
        "4": "failed",
        "5": "quarantined",
        "6": "unknown",
        "7": "unknown",
        "8": "applied",
        "9": "applied",
    }
    assert {s: o for s, (o, _) in run.outcomes("careful").items()} == {
        "1": "applied",
        "6": "unknown",
        "7": "unknown",
    }
    attempts = dict(
        service.database.rows(
            "select subject || t.name, attempt from rollcall.outcome join rollcall.task_type t"
            " using (type_no) where t.name <> 'club.thanks'"
        )
    )
    assert [attempts[f"{n}club.greet"] for n in range(1, 10)] == [1, 1, 3, 1, 3, 3, 3, 1, 1]
    assert [attempts[f"{n}club.careful"] for n in (1, 6, 7)] == [1, 1, 1]
    reasons = {s: r for s, (_, r) in run.outcomes("greet").items()}
    assert (
        "550" in reasons["2"]
        and "451" in reasons["3"]
        and "lost" in reasons["6"]
        and "held for review" in run.outcomes("careful")["7"][1]
    )
    ids = Counter(m.id for m in service.mails(server.folder))
    by_task = {
        f"<{t.id}@mail.example.org>": n for t, n in zip(tasks, [1, 0, 0, 0, 0, 0, 3, 1, 1, 1, 0, 1])
    }
    assert ids == +Counter(by_task)
    assert sorted(r[0] for r in service.database.rows("select subject from sent")) == [1, 1, 8, 9]
    assert run.progress()["digest_matches"]
    service.check_ledger(service.events())
    service.stop_all()


class Closed:
    """A port that takes connections and hangs up at once."""

    def __init__(self):
        import socket
        import threading

        self.socket = socket.create_server(
            ("127.0.0.1", free_port())
        )  # not one that a client may take when it is free again
        self.port, self.count = self.socket.getsockname()[1], 0
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                self.socket.accept()[0].close()
                self.count += 1
            except OSError:
                return

    def close(self):
        import socket

        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def test_mail_waits_for_an_unavailable_relay(make_service, broker, mail_sink):
    """Waited for and logged once; a rebalance and a drain are not held up meanwhile, and each mail
    goes out once.
    """
    service, away = make_service(broker, people=40, session="2s"), Closed()
    through(service, away.port)
    run = Run(service)
    tasks = run.plan([run.task("greet", n) for n in range(1, 41)])
    service.send(tasks[:20], "mail")
    first = service.start(lanes=["mail", "tasks"])
    service.wait_log(first, "mail relay unavailable")
    tried = away.count
    service.wait(lambda: away.count > tried + 12)
    second = service.start(lanes=["mail", "tasks"])
    service.wait_log(second, 'partitions assigned" lane=mail')
    service.wait_log(second, "mail relay unavailable")
    start = time.monotonic()
    assert service.stop(first) == 0 and time.monotonic() - start < 12, (
        service.logs()
    )  # a drain may take 25 s
    service.send(tasks[20:], "mail")
    third = service.start(lanes=["mail", "tasks"])
    service.wait_log(third, "mail relay unavailable")
    away.close()
    server = mail_sink(away.port)
    service.wait(run.complete)
    ids = Counter(m.id for m in service.mails(server.folder))
    assert ids == Counter({f"<{t.id}@mail.example.org>": 1 for t in tasks})
    for worker in (first, second, third):
        assert worker.text().count("mail relay unavailable") == 1, worker.text()
    assert "mail relay available again" in second.text() + third.text()
    assert run.progress()["digest_matches"] and run.progress()["applied"] == 80
    service.events(repeats=True)
    service.stop_all()


def test_killed_while_a_mail_is_out(make_service, kafka, mail_sink):
    """Whether it arrived is not known: it is sent again under the same Message-ID, or held for
    review.
    """
    service, server = make_service(kafka, people=3, session="2s"), mail_sink()
    through(service, server.port)
    service.database.execute("update person set email = 'slow@example.org' where id = 2")
    service.database.execute("update person set email = 'hang@example.org' where id = 3")
    run = Run(service)
    tasks = run.plan([run.task("greet", 1), run.task("careful", 3), run.task("greet", 2)])
    for t in tasks:
        service.send_raw(t.bytes, t.subject.encode(), "mail", partition=0)
    assert service.producer.flush(30) == 0
    first = service.start(lanes=["mail", "tasks"])
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome where outcome = -1") == 3
            and len(service.mails(server.folder)) >= 1
        )
    )
    service.kill(first)
    before = Counter(m.id for m in service.mails(server.folder))
    second = service.start(lanes=["mail", "tasks"])
    service.wait(run.complete)
    assert "settling intents of an earlier owner" in second.text()
    assert run.outcomes("careful") == {
        "3": ("unknown", "the server's answer was lost; held for review")
    }
    assert set(run.outcomes("greet").values()) == {("applied", "")}
    after = Counter(m.id for m in service.mails(server.folder))
    assert (
        set(after) == {f"<{t.id}@mail.example.org>" for t in tasks if t.type == "club.greet"}
        and sum(after.values()) <= sum(before.values()) + 2
    )
    assert {
        r[0]
        for r in service.database.rows(
            "select attempt from rollcall.outcome where reason <> '' or subject = '1' and"
            " follow_ups is not null"
        )
    } == {2}
    assert run.progress()["digest_matches"]
    service.check_ledger(service.events(repeats=True))
    service.stop_all()


class Hook:
    """An HTTP server; who=N answers with answers[N], one after another, then with the last."""

    def __init__(self, answers):
        import http.server
        import threading

        seen = self.seen = Counter()
        posts = self.posts = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.append((dict(self.headers), body))
                who = json.loads(body)["who"]
                status = answers[who][min(seen[who], len(answers[who]) - 1)]
                seen[who] += 1
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook?key=secret"


def test_each_answer_to_a_webhook_has_its_outcome(make_service, kafka):
    service, hook = (
        make_service(kafka, people=4),
        Hook({1: [200], 2: [404], 3: [500], 4: [503, 204]}),
    )
    (service.folder / "club/hook.url").write_text(hook.url + "\n")
    run = Run(service)
    service.send(run.plan([run.task("call", n) for n in range(1, 5)]), "mail")
    worker = service.start(lanes=["mail"])
    service.wait(run.complete)
    hook.server.shutdown()
    assert {s: o for s, (o, _) in run.outcomes().items()} == {
        "1": "applied",
        "2": "failed",
        "3": "quarantined",
        "4": "applied",
    }
    assert hook.seen == {1: 1, 2: 1, 3: 3, 4: 2}
    assert "404" in run.outcomes()["2"][1] and "secret" not in worker.text() + str(run.outcomes())
    service.check_ledger(service.events())
    service.stop_all()


def sign_calls(service, key_text, mode=0o600):
    key = service.folder / "club/hook.key"
    service.pack_cfg = service.pack_cfg.replace(
        'url_file = "hook.url";', 'url_file = "hook.url"; secret_file = "hook.key";'
    )
    key.write_text(key_text)
    key.chmod(mode)


def test_webhooks_are_signed_and_traced(make_service, kafka):
    """As a receiver checks it (Standard Webhooks, W3C Trace Context): each attempt, of a run's
    task and of one requested by hand.
    """
    service, hook = make_service(kafka, people=3), Hook({1: [503, 200], 2: [200], 3: [200]})
    (service.folder / "club/hook.url").write_text(hook.url + "\n")
    key = os.urandom(32)
    sign_calls(service, f"whsec_{base64.b64encode(key).decode()}\n")
    run, alone = Run(service), adhoc("club.call", 3)
    tasks = run.plan([run.task("call", n) for n in (1, 2)])
    service.send(tasks + [alone], "mail")
    worker = service.start(lanes=["mail"])
    service.wait(lambda: run.complete() and hook.seen == {1: 2, 2: 1, 3: 1})
    hook.server.shutdown()
    expected = {str(t.id): run.id for t in tasks} | {str(alone.id): alone.id}
    for headers, body in hook.posts:
        task = headers["webhook-id"]
        digest = hmac.new(
            key, f"{task}.{headers['webhook-timestamp']}.".encode() + body, hashlib.sha256
        ).digest()
        assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
        assert headers["traceparent"] == f"00-{expected[task].hex}-{task.replace('-', '')[:16]}-01"
    assert {headers["webhook-id"] for headers, _ in hook.posts} == set(expected)
    assert base64.b64encode(key).decode() not in worker.text()
    service.stop_all()


@pytest.mark.parametrize(
    "text, mode, said",
    [
        ("whsec_short", 0o600, "hook.key: expected a signing key"),
        (None, 0o644, "hook.key: its mode is 644"),
    ],
)
def test_a_webhook_without_its_key_is_not_called(make_service, kafka, text, mode, said):
    service, hook = make_service(kafka, people=1), Hook({1: [200]})
    (service.folder / "club/hook.url").write_text(hook.url + "\n")
    sign_calls(service, text or f"whsec_{base64.b64encode(os.urandom(32)).decode()}\n", mode)
    run = Run(service)
    service.send(run.plan([run.task("call", 1)]), "mail")
    service.start(lanes=["mail"])
    service.wait(run.complete)
    hook.server.shutdown()
    outcome, reason = run.outcomes()["1"]
    assert outcome == "failed" and said in reason and not hook.posts
    service.stop_all()


def test_reports_and_files(make_service, broker):
    service = make_service(broker, people=3)
    service.database.execute("update person set trap = 'x,y' where id = 3")
    logs = service.folder / "reports/logs"
    logs.mkdir()
    for name, days in (("old.log", 3), ("new.log", 1), ("old.txt", 3), ("ancient.gz", 9)):
        (logs / name).write_text(name * 100)
        at = (NOON - timedelta(days=days)).timestamp()
        os.utime(logs / name, (at, at))
    run = Run(service)
    worker = service.start(lanes=["jobs"])
    service.send(
        run.plan([run.task(t, run.id) for t in ("pack-logs", "census", "drop-logs")]), "jobs"
    )
    service.send_raw(b"junk", lane="jobs")
    service.wait(run.complete)
    outcomes = {
        r[0]: r[1:]
        for r in service.database.rows("select type, outcome, reason from rollcall.outcome_named")
    }
    assert outcomes["club.pack-logs"] == ("applied", "1 files compressed")
    assert outcomes["club.drop-logs"][0] == "applied" and re.match(
        "[12] files deleted", outcomes["club.drop-logs"][1]
    )
    path = service.folder / "reports/census_20260504_09.csv"  # noon is nine in São Paulo
    assert outcomes["club.census"] == ("applied", f"written: {path}")
    assert '"x,y",1' in path.read_text()
    assert {p.name for p in logs.iterdir()} - {"old.log.gz"} == {"new.log", "old.txt"}
    if (logs / "old.log.gz").exists():
        assert gzip.decompress((logs / "old.log.gz").read_bytes()) == b"old.log" * 100
    service.check_ledger(service.events())
    service.stop_all()
    assert worker.child.returncode == 0


def test_compressing_never_writes_over_an_archive(make_service, embedded):
    service = make_service(embedded, people=1)
    logs = service.folder / "reports/logs"
    logs.mkdir()
    at = (NOON - timedelta(days=3)).timestamp()

    def put(name, content, when=at):
        (logs / name).write_bytes(content)
        os.utime(logs / name, (when, when))

    put("c.log", b"new " * 100)
    put("c.log.gz", gzip.compress(b"precious"), at - 86400)
    put("c.log.1.gz", b"not even gzip", at - 86400)
    put("d.log", b"alone")
    put(
        "crashed.log", b"written already " * 10
    )  # its archive was named, and then the worker was killed
    put("crashed.log.gz", gzip.compress(b"written already " * 10))
    put("e.log.gz.part", b"half")
    run = Run(service)
    service.start(lanes=["jobs"])
    service.send(run.plan([run.task("pack-logs", run.id)]), "jobs")
    service.wait(run.complete)
    assert service.database.rows("select outcome, reason from rollcall.outcome_named") == [
        ("applied", "3 files compressed")
    ]
    found = {p.name: p.read_bytes() for p in logs.iterdir()}
    assert set(found) == {
        "c.log.gz",
        "c.log.1.gz",
        "c.log.2.gz",
        "d.log.gz",
        "crashed.log.gz",
        "e.log.gz.part",
    }
    assert (
        gzip.decompress(found["c.log.gz"]) == b"precious"
        and found["c.log.1.gz"] == b"not even gzip"
    )
    assert (
        gzip.decompress(found["c.log.2.gz"]) == b"new " * 100
        and gzip.decompress(found["d.log.gz"]) == b"alone"
    )
    assert gzip.decompress(found["crashed.log.gz"]) == b"written already " * 10
    service.stop_all()

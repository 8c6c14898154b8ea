# SPDX-License-Identifier: Apache-2.0
"""transport_smtp against a real server: the driver tests/integration/send_mail.c, and
tests/harness/mail_sink.py.
"""

import collections
import email
import email.policy
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest
from harness.paths import REPO, program

DRIVER = program("tests/unit/send_mail")

Line = collections.namedtuple("Line", "id state code reason")


class Sink:
    def __init__(self, folder, *options):
        self.folder = folder
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(REPO / "tests/harness/mail_sink.py"),
                str(folder),
                *map(str, options),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        assert line.startswith("port "), line
        self.port = int(line.split()[1])

    def stored(self):
        return [
            (json.loads(p.with_suffix(".json").read_text()), p.read_bytes())
            for p in sorted(self.folder.glob("*.eml"))
        ]

    def connections(self):
        path = self.folder / "connections"
        return len(path.read_text().split()) if path.exists() else 0

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def mail_sink(tmp_path):
    started = []

    def start(*options):
        started.append(Sink(tmp_path / f"sink{len(started)}", *options))
        return started[-1]

    yield start
    for s in started:
        s.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            key,
            "-out",
            cert,
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


Result = collections.namedtuple("Result", "lines tick seconds")


def send(port, *args, url=None):
    start = time.monotonic()
    done = subprocess.run(
        [str(DRIVER), "--url", url or f"smtp://127.0.0.1:{port}", *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    seconds = time.monotonic() - start
    rows = [x for x in done.stdout.splitlines() if not x.startswith("#") and x != "ok"]
    tick = int(done.stdout.split("# tick ")[1].split()[0])
    return Result([Line(*(r.split(" ", 3))) for r in rows], tick, seconds)


def probe(port, *args):
    done = subprocess.run(
        [str(DRIVER), "--url", f"smtp://127.0.0.1:{port}", "--probe", *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.splitlines()[0]


def one(result):
    assert len(result.lines) == 1
    return result.lines[0]


def lines(part):
    return part.get_content().replace("\r\n", "\n")


def test_message_arrives_unchanged(mail_sink):
    s = mail_sink()
    line = one(send(s.port, "--helo", "client.example.org", "ana.o'neil+tag@example.net"))
    assert (line.state, line.code, line.reason) == ("done", "250", "")
    [(envelope, data)] = s.stored()
    assert envelope["from"] == "rollcall@example.org"
    assert envelope["to"] == ["ana.o'neil+tag@example.net"]
    assert envelope["helo"] == "client.example.org"
    assert (
        max(map(len, data.split(b"\r\n"))) <= 76
        and data.isascii()
        and b"\n" not in data.replace(b"\r\n", b"")
    )
    m = email.message_from_bytes(data, policy=email.policy.default)
    assert m.defects == []
    assert list(m.keys()) == [
        "Date",
        "From",
        "To",
        "Subject",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    ]
    assert m["Subject"] == "Sua conta: ação necessária até amanhã, para não perder o acesso 🙂"
    assert m["To"].addresses[0].display_name == "José Silva"
    assert m["To"].addresses[0].addr_spec == "ana.o'neil+tag@example.net"
    assert m["Date"].datetime.isoformat() == "2026-11-21T09:00:00+00:00"
    assert m["Message-ID"] == "<m0@example.org>"
    assert m.get_content_type() == "multipart/alternative"
    text, html = m.iter_parts()
    assert lines(text) == "Olá!\n.\n..\n.leading dot\n\nlast line\n"
    assert lines(html) == "<p>Olá!</p>\n.\n"


def test_large_message_keeps_its_dots(mail_sink):
    s = mail_sink()
    assert one(send(s.port, "--size", 3_000_000, "ana@example.net")).state == "done"
    [(_, data)] = s.stored()
    m = email.message_from_bytes(data, policy=email.policy.default)
    text = lines(next(m.iter_parts()))
    head = "Olá!\n.\n..\n.leading dot\n\nlast line\n"
    line = ".0123456789 abcdefghij ABCDEFGHIJ .\n"
    assert text.startswith(head) and len(text.encode()) >= 3_000_000
    assert text[len(head) :] == line * ((len(text) - len(head)) // len(line))


@pytest.mark.parametrize(
    "recipient,state,code,words,stored",
    [
        ("refuse550", "refused", "550", "550 5.1.1 to the envelope", 0),
        ("defer451", "deferred", "451", "451 4.7.1 to the envelope", 0),
        ("long", "refused", "550", "550 5.2.1 to the envelope", 0),
        ("full", "deferred", "452", "452 4.3.1 to the envelope", 0),
        ("data550", "refused", "550", "550 5.7.1 to the message", 0),
        ("data451", "deferred", "451", "451 4.3.0 to the message", 0),
        ("drop", "unknown", "0", "answer to the message was lost", 0),
        ("dropkept", "unknown", "0", "answer to the message was lost", 1),
        ("hang", "unknown", "0", "answer to the message was lost: Timeout", 0),
        ("ana", "done", "250", "", 1),
    ],
)
@pytest.mark.parametrize("before", [0, 1])  # on a new connection, and on a kept one
def test_each_answer_of_a_relay_has_its_outcome(
    mail_sink, recipient, state, code, words, stored, before
):
    s = mail_sink()
    result = send(
        s.port,
        "--connections",
        1,
        "--timeout",
        3000,
        *["first@example.net"] * before,
        f"{recipient}@example.net",
        "last@example.net",
    )
    line = result.lines[before]
    assert (line.state, line.code) == (state, code)
    assert words in line.reason and "@" not in line.reason
    assert result.lines[-1].state == "done"  # whatever was before
    assert len(s.stored()) == before + stored + 1


@pytest.mark.parametrize(
    "recipient",
    [
        "a b@example.net",
        "a@example.net>\r\nRCPT TO:<evil@example.net",
        "a@example.net\n",
        "",
        "a@b@c",
    ],
)
def test_injection_never_reaches_the_wire(mail_sink, recipient):
    s = mail_sink()
    line = one(send(s.port, recipient))
    assert (line.state, line.code) == ("refused", "0")
    assert s.connections() == 0


def test_all_behaviours_at_once(mail_sink):
    s = mail_sink()
    kinds = {
        "ana": "done",
        "refuse550": "refused",
        "drop": "unknown",
        "data451": "deferred",
        "slow": "done",
        "data550": "refused",
    }
    result = send(s.port, "--connections", 4, "--repeat", 20, *[f"{k}@example.net" for k in kinds])
    assert [line.state for line in result.lines] == list(kinds.values()) * 20
    assert len(s.stored()) == 40


def test_connections_work_at_the_same_time_and_ticks_come(mail_sink):
    s = mail_sink()
    result = send(s.port, "--connections", 8, "--repeat", 24, "slow@example.net")
    assert all(line.state == "done" for line in result.lines)
    assert result.seconds < 6  # 24 × 0.5 s on 8 connections
    assert s.connections() == 8
    assert result.tick < 1000


def test_ticks_come_while_the_relay_hangs(mail_sink):
    s = mail_sink()
    result = send(s.port, "--connections", 1, "--timeout", 3000, "hang@example.net")
    assert one(result).state == "unknown"
    assert 50 <= result.tick < 1500  # about 100, on a machine that is not busy
    assert result.seconds < 10


def test_connection_that_hung_is_not_used_again_nor_waited_for(mail_sink):
    s = mail_sink()
    result = send(
        s.port, "--connections", 1, "--timeout", 3000, "hang@example.net", *["ana@example.net"] * 5
    )
    assert [line.state for line in result.lines] == ["unknown"] + ["done"] * 5
    assert s.connections() == 2
    assert result.seconds < 5.5  # a second wait for it would make 6


def test_stop_leaves_the_rest_pending(mail_sink):
    s = mail_sink()
    result = send(
        s.port, "--connections", 2, "--repeat", 20, "--stop-after", 700, "slow@example.net"
    )
    states = collections.Counter(line.state for line in result.lines)
    assert set(states) == {"done", "pending"}
    assert 2 <= states["done"] <= 8
    assert len(s.stored()) == states["done"]


def test_connections_are_reused(mail_sink):
    s = mail_sink()
    result = send(s.port, "--connections", 3, "--repeat", 300, "--batch", 50, "ana@example.net")
    assert all(line.state == "done" for line in result.lines)
    assert s.connections() == 3


def test_idle_connection_closed_by_the_server(mail_sink):
    s = mail_sink("--close-idle", 1)
    result = send(
        s.port, "--connections", 2, "--repeat", 12, "--batch", 4, "--pause", 2500, "ana@example.net"
    )
    assert [line.state for line in result.lines] == ["done"] * 12
    assert s.connections() == 6
    assert len(s.stored()) == 12


@pytest.mark.parametrize("options", [[], ["--silent"]])
def test_server_hangs_up_just_as_the_next_message_starts(mail_sink, options):
    s = mail_sink("--max-per-connection", 5, *options)
    result = send(s.port, "--connections", 1, "--repeat", 23, "ana@example.net")
    assert [line.state for line in result.lines] == ["done"] * 23
    assert s.connections() == 5
    assert len(s.stored()) == 23


def test_time_limit_counts_from_the_message_not_from_the_connection(mail_sink):
    s = mail_sink()
    result = send(s.port, "--connections", 1, "--timeout", 2000, "--repeat", 6, "slow@example.net")
    assert [line.state for line in result.lines] == ["done"] * 6
    assert s.connections() == 1


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_mails_are_deferred_while_no_relay_is_there(tmp_path):
    port = free_port()
    result = send(port, "--connections", 2, "--repeat", 1000, "ana@example.net")
    assert {(line.state, line.code) for line in result.lines} == {("deferred", "0")}
    assert result.lines[0].reason.startswith("the connection failed: ")
    assert result.lines[-1].reason == "not tried: the relay took no connection 4 times in a row"
    assert result.seconds < 10
    assert probe(port).startswith("retry - smtp://127.0.0.1")


def scripted(replies):
    """A server that says the greeting and then one reply per line it gets; None hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, peer.makefile("rwb", 0) as f:
                for reply in replies:
                    if reply is None:
                        break
                    f.write(reply)
                    if not f.readline():
                        break

    threading.Thread(target=run, daemon=True).start()
    return listener


@pytest.mark.parametrize(
    "replies,state,code",
    [
        ([b"554 go away\r\n"], "deferred", "554"),
        ([b"421 busy\r\n"], "deferred", "421"),
        ([b"220 x\r\n", b"502 what\r\n", b"550 no\r\n"], "deferred", "550"),
        ([b"220 x\r\n", None], "deferred", "0"),
        ([b"220 x\r\n", b"250 x\r\n", b"550 5.7.1 not you\r\n"], "refused", "550"),
        ([b"220 x\r\n", b"250 x\r\n", b"530 5.7.0 authenticate first\r\n"], "deferred", "530"),
        (
            [b"220 x\r\n", b"250 x\r\n", b"250 ok\r\n", b"530 5.7.0 STARTTLS first\r\n"],
            "deferred",
            "530",
        ),
        ([b"220 x\r\n", b"250 x\r\n", b"421 closing\r\n"], "deferred", "421"),
        ([b"220 x\r\n", b"250 x\r\n", b"250 ok\r\n", None], "deferred", "0"),
        ([b"220 x\r\n", b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n", None], "deferred", "0"),
        (
            [
                b"220 x\r\n",
                b"250 x\r\n",
                b"250 ok\r\n",
                b"250 ok\r\n",
                b"554 no valid recipients\r\n",
            ],
            "refused",
            "554",
        ),
    ],
)
def test_each_answer_in_the_dialogue_has_its_outcome(replies, state, code):
    with scripted(replies) as listener:
        line = one(send(listener.getsockname()[1], "--timeout", 3000, "ana@example.net"))
    assert (line.state, line.code) == (state, code), line


def test_kept_connection_ends_with_quit_without_waiting_for_the_answer():
    received = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run():
            peer, _ = listener.accept()
            with peer, peer.makefile("rwb", 0) as f:
                f.write(b"220 x\r\n")
                for reply in (b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
                    received.append(f.readline())
                    f.write(reply)
                while f.readline() != b".\r\n":
                    pass
                f.write(b"250 taken\r\n")
                received.append(f.readline())
                f.readline()  # never answers; ends when the client has gone

        server = threading.Thread(target=run)
        server.start()
        result = send(listener.getsockname()[1], "ana@example.net")
        server.join()
    assert one(result).state == "done"
    assert received[-1] == b"QUIT\r\n"
    assert result.seconds < 8


def test_server_that_never_greets():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = one(send(listener.getsockname()[1], "--connect-timeout", 400, "ana@example.net"))
    assert (line.state, line.code) == ("deferred", "0")


def test_a_relay_that_asks_for_authentication_gets_it(mail_sink):
    s = mail_sink("--auth", "robot", "secret")
    assert (
        one(send(s.port, "--user", "robot", "--password", "secret", "ana@example.net")).state
        == "done"
    )
    assert s.stored()[0][0]["user"] == "robot"
    wrong = one(send(s.port, "--user", "robot", "--password", "guess", "ana@example.net"))
    assert (wrong.state, wrong.code) == ("deferred", "535")
    missing = one(send(s.port, "ana@example.net"))
    assert (missing.state, missing.code) == ("deferred", "530")
    assert len(s.stored()) == 1
    assert probe(s.port, "--user", "robot", "--password", "secret") == "ok"
    assert probe(s.port, "--user", "robot", "--password", "guess").startswith("fatal 535 ")


def test_probe_without_authentication_offered(mail_sink):
    s = mail_sink()
    assert probe(s.port) == "ok"
    assert "offers no authentication" in probe(s.port, "--user", "robot", "--password", "secret")


def test_starttls(mail_sink, certificate):
    cert, key = certificate
    s = mail_sink("--starttls", cert, key, "--require-starttls")
    for tls in ("required", "opportunistic"):
        assert one(send(s.port, "--tls", tls, "--ca", cert, "ana@example.net")).state == "done"
    assert [e["tls"] for e, _ in s.stored()] == [True, True]
    result = send(
        s.port,
        "--tls",
        "required",
        "--ca",
        cert,
        "--connections",
        2,
        "--repeat",
        40,
        "ana@example.net",
    )
    assert {line.state for line in result.lines} == {"done"}
    assert s.connections() == 4
    untrusted = one(send(s.port, "--tls", "required", "ana@example.net"))
    assert (untrusted.state, untrusted.code) == ("deferred", "0")
    plain = one(send(s.port, "--tls", "none", "ana@example.net"))
    assert (plain.state, plain.code) == ("deferred", "530")
    assert len(s.stored()) == 42
    assert probe(s.port, "--tls", "required", "--ca", cert) == "ok"
    assert probe(s.port, "--tls", "required").startswith("fatal - ")


def test_tls_required_but_not_offered(mail_sink):
    s = mail_sink()
    line = one(send(s.port, "--tls", "required", "ana@example.net"))
    assert line.state == "deferred"
    assert one(send(s.port, "--tls", "opportunistic", "ana@example.net")).state == "done"
    assert len(s.stored()) == 1


@pytest.mark.parametrize(
    "options,words",
    [
        (["--tls", "maybe"], 'tls "maybe": expected none, opportunistic or required'),
        (["--connections", "0"], "connections 0: expected 1-256"),
        (["--timeout", "0"], "time limits must be above 0"),
        (["--helo", "a b"], 'helo "a b": expected'),
        (["--url", "http://127.0.0.1"], "expected smtp://host:port"),
        (["--url", "smtp://"], "is not valid"),
    ],
)
def test_refuses_options(options, words):
    done = subprocess.run(
        [str(DRIVER), "--url", "smtp://127.0.0.1:1", *options],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("fatal - smtp: ") and words in done.stdout


def test_two_thousand_mails_go_once_each(mail_sink):
    s = mail_sink()
    result = send(s.port, "--connections", 8, "--repeat", 2000, "ana@example.net")
    assert {line.state for line in result.lines} == {"done"}
    assert len({email.message_from_bytes(data)["Message-ID"] for _, data in s.stored()}) == 2000
    assert s.connections() == 8
    assert result.seconds < 30
    print(f"{2000 / result.seconds:.0f} mails/s")

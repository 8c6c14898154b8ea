# SPDX-License-Identifier: Apache-2.0
"""Rows 25 and 26 of docs/reliability.md: what a mail relay does, and credentials that change."""

import subprocess
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import verify


# ---- 25: mail ----
def test_row_25_smtp_answers(cluster):
    """Refused for good: never retried. Deferred: retried. The answer lost before and
    after the message was kept: the same Message-ID, or held.
    """
    w = cluster(people=40, verify_options={"repeated_mails": "lost"})
    locals_ = [
        "refuse550",
        "data550",
        "defer451",
        "data451",
        "drop",
        "dropkept",
        "hang",
        "full",
        "long",
        "slow",
    ]
    for n, local in enumerate(locals_, start=2):
        w.database.execute(
            "update person set email = %s where id = %s", (f"{local}@example.org", n)
        )
    w.begin()
    w.ask("mailing")
    w.ask("careful")
    w.finish(timeout=180)
    outcomes = defaultdict(dict)
    for subject, job, outcome, attempt in w.database.rows(
        "select subject, job, outcome, attempt from rollcall.outcome_named where type in"
        " ('club.greet', 'club.careful')"
    ):
        outcomes[job][int(subject)] = (outcome, attempt)
    for job in ("mailing", "careful"):
        by = {local: outcomes[job][n] for n, local in enumerate(locals_, start=2)}
        print(job, by)
        assert by["slow"][0] == "applied" and outcomes[job][1] == ("applied", 1)
        for local in ("refuse550", "data550", "long"):
            assert by[local] in (("failed", 1), ("quarantined", 1)), (local, by)
        for local in ("defer451", "data451", "full"):
            # a later task of somebody who is quarantined is counted with the first, untried
            assert by[local][0] in ("failed", "quarantined") and (
                by[local][1] > 1 or job == "careful"
            ), (local, by)
        for local in ("drop", "dropkept", "hang"):
            assert by[local][0] in ("unknown", "quarantined") and (by[local][1] == 1) == (
                job == "careful"
            ), (local, by)
    assert Counter(m for m, _ in verify.read_mails(w.folder / "mails")).most_common(1)[0][1] >= 2


@pytest.mark.parametrize(
    "options",
    [
        ("--max-per-connection", "3"),
        ("--max-per-connection", "2", "--silent"),
        ("--close-idle", "0.3"),
    ],
)
def test_row_25_relay_hangs_up(cluster, options):
    """421 and hanging up between messages: each goes out once."""
    w = cluster(people=100, sink=options)
    w.begin(workers=1)
    w.ask("mailing")
    w.ask("careful")
    w.finish()


@pytest.fixture
def certificates(tmp_path):
    """certificates(name): the files of a new certificate for 127.0.0.1, by one authority."""
    folder = tmp_path / "tls"
    folder.mkdir()

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)

    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "2",
        "-subj",
        "/CN=authority",
    )

    def make(name):
        (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            "/CN=127.0.0.1",
        )
        openssl(
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-out",
            f"{name}.pem",
            "-extfile",
            "ext",
        )
        return str(folder / f"{name}.pem"), str(folder / f"{name}.key")

    make.ca = folder / "ca.pem"
    return make


def test_row_25_starttls_fails(cluster, certificates):
    """A certificate of nobody we trust: nothing is sent, nothing is lost; trusted again, each
    mail goes out once.
    """
    good = certificates("good")
    foreign = Path(good[0]).parent / "foreign"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{foreign}.key",
            "-out",
            f"{foreign}.pem",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    w = cluster(
        people=60,
        sink=("--starttls", f"{foreign}.pem", f"{foreign}.key", "--require-starttls"),
        mail=f'tls = "required"; ca_file = "{certificates.ca}";',
    )
    w.begin(workers=1)
    w.ask("mailing")
    w.wait_log(w.processes[-1], "mail relay unavailable")
    assert not verify.read_mails(w.folder / "mails")
    w.sink.stop()
    w.sink.start("--starttls", *good, "--require-starttls")
    w.finish(timeout=90)


def test_row_25_relay_cut_off_in_mid_message(cluster, chance):
    """Reset at any byte, again and again: what was acknowledged is not sent again, what may have
    arrived keeps its Message-ID.
    """
    w = cluster(people=150, verify_options={"repeated_mails": "lost"})
    w.begin(workers=1, **w.through(smtp=w.smtp_proxy))
    w.ask("mailing")
    w.ask("careful")
    for _ in range(12):
        time.sleep(chance.random() * 0.2)
        w.smtp_proxy.reset()
    w.finish(timeout=120)


# ---- 26: credentials ----
def test_row_26_credentials_change(cluster, own_postgres, certificates):
    """The database's password, the relay's password and its certificate change: new connections
    take what the files say now, without a restart.
    """
    database = own_postgres()
    database.execute("create role rotating superuser login password 'hunter2-old'")
    hba = database.server.data / "pg_hba.conf"
    hba.write_text("host all rotating 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
    database.execute("select pg_reload_conf()")
    secret = database.server.root / "secret"
    secret.write_text("hunter2-old\n")
    secret.chmod(0o400)
    relay = database.server.root / "relay"
    relay.write_text("geheim-old\n")
    relay.chmod(0o400)
    tls = certificates("first")
    w = cluster(
        database=database,
        people=60,
        password=f'password_file = "{secret}";',
        conninfo=database.conninfo_tcp.replace("user=rollcall", "user=rotating sslmode=disable"),
        sink=("--starttls", *tls, "--auth", "club", "geheim-old"),
        mail=(
            f'tls = "required"; ca_file = "{certificates.ca}"; user = "club"; password_file ='
            f' "{relay}";'
        ),
    )
    w.begin(workers=1)
    w.ask()
    w.settle()
    database.execute("alter role rotating password 'hunter2-new'")
    secret.unlink()
    secret.write_text("hunter2-new\n")
    secret.chmod(0o400)
    relay.unlink()
    relay.write_text("geheim-new\n")
    relay.chmod(0o400)
    w.sink.stop()
    w.sink.start("--starttls", *certificates("second"), "--auth", "club", "geheim-new")
    database.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'rotating'"
    )
    w.ask()
    r = w.finish(timeout=90)
    assert (
        r.numbers["mails"] == 120
        and w.value("select count(*) from rollcall.outcome_all where outcome > 0") == 0
    )

# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the worker's tests: a service with a pack and workers on a broker, a mail sink."""

import subprocess
import sys
from pathlib import Path

import pytest
from harness.paths import REPO
from worker_pack import Service


@pytest.fixture
def make_service(tmp_path, unique, database):
    made = []

    def make(broker, db=None, **options):
        made.append(Service(broker, db or database, tmp_path, unique("w"), **options))
        return made[-1]

    yield make
    for r in made:
        r.close()


@pytest.fixture
def mail_sink(tmp_path):
    started = []

    def start(port=0):
        folder = tmp_path / f"sink{len(started)}"
        child = subprocess.Popen(
            [
                sys.executable,
                str(REPO / "tests/harness/mail_sink.py"),
                str(folder),
                "--port",
                str(port),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        child.folder = folder
        child.port = int(child.stdout.readline().split()[1])
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdout.close()


def through(service, port):
    service.mail = f'transport = "smtp"; url = "smtp://127.0.0.1:{port}"; tls = "none";'

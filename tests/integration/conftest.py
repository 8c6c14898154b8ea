# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the integration tests. Servers live as long as the session, databases and topics
as long as a test.
"""

import itertools
import os
import re
import signal

import pytest
from harness.kafka import Embedded, Kafka
from harness.postgres import Database, Postgres

serial = itertools.count(1)


def pytest_configure(config):
    # A termination ends like Ctrl-C: the fixtures are closed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of this session, without durability. A test that needs another one
    makes its own Postgres(...).
    """
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def database(postgres):
    """A fresh, empty database."""
    made = Database(postgres, f"t{os.getpid()}_{next(serial)}")
    yield made
    made.close()


@pytest.fixture(scope="session")
def kafka():
    """A real Kafka node. Tests share it: take topics and groups from `unique`."""
    node = Kafka()
    yield node
    node.close()


@pytest.fixture
def embedded():
    """An embedded broker of this test's own."""
    broker = Embedded()
    yield broker
    broker.close()


@pytest.fixture(params=["real", "embedded"])
def broker(request):
    """Both kinds, one after the other."""
    return request.getfixturevalue("kafka" if request.param == "real" else "embedded")


@pytest.fixture
def unique(request):
    """unique("tasks"): a name that no other test uses."""
    test = re.sub(r"\W+", "-", request.node.name).strip("-")[:60]

    def make(name):
        return f"{test}.{name}.{next(serial)}"

    return make

# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the fault tests. One PostgreSQL, durable, and one Kafka node for all; databases
and topics for each. --seed replays what a case chose.
"""

import itertools
import os
import random
import re
import signal

import pytest
from cluster import Cluster, Node
from harness.postgres import Database, Postgres

serial = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, help="replays the choices of an earlier round")
    parser.addoption("--minutes", type=float, default=1, help="how long soak.py goes on")
    parser.addoption(
        "--long", action="store_true", help="absences of 60 and 120 seconds instead of ten"
    )


def pytest_configure(config):
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # ends like Ctrl-C: the fixtures are closed
    if config.getoption("--seed") is None:
        config.option.seed = random.SystemRandom().randrange(1_000_000)


def pytest_report_header(config):
    return f"seed: {config.getoption('--seed')} (replay with --seed {config.getoption('--seed')})"


@pytest.fixture
def chance(request):
    """Each case's own choices: the same for the same seed, whichever cases run before it."""
    return random.Random(f"{request.config.getoption('--seed')} {request.node.name}")


@pytest.fixture(scope="session")
def postgres():
    server = Postgres(fsync=True, settings={"max_connections": 200})
    yield server
    server.close()


@pytest.fixture
def database(postgres):
    made = Database(postgres, f"f{os.getpid()}_{next(serial)}")
    yield made
    made.close()


@pytest.fixture(scope="session")
def kafka():
    node = Node(proxies=3)
    yield node
    node.close()


@pytest.fixture
def long(request):
    return request.config.getoption("--long")


@pytest.fixture
def own_postgres():
    """own_postgres(**settings): a database on a server of this case's own."""
    made = []

    def make(**settings):
        server = Postgres(fsync=True, settings=settings)
        made.append(server)
        return Database(server, "own")

    yield make
    for server in made:
        server.close()


@pytest.fixture
def cluster(request, tmp_path, chance):
    """cluster(...): the system of this case. `postgres`, `node`, `database` stand for the shared
    ones.
    """
    made = []

    def make(**options):
        node = options.pop("node", None) or request.getfixturevalue("kafka")
        database = options.pop("database", None) or request.getfixturevalue("database")
        name = re.sub(r"\W+", "-", request.node.name).strip("-")[:50]
        made.append(
            Cluster(
                tmp_path,
                node,
                database.server,
                database,
                chance,
                f"{name}.{next(serial)}",
                **options,
            )
        )
        return made[-1]

    yield make
    for w in made:
        w.close()

# SPDX-License-Identifier: Apache-2.0
"""A server of this session's own, with the tables of both organisations, Rollcall's and the
packs', copied for each test.
"""

import pytest
from composer import REPO, Pack, read_cfg
from harness.postgres import Database, Postgres
from harness.schema import schema_sql

PACKS = ("equipemed", "astegni")


def apply_pack(db, name):
    """What `rollcall db apply` does, and the indexes that the pack recommends."""
    folder = REPO / "config/packs" / name
    cfg = read_cfg((folder / "pack.cfg").read_text())
    db.execute(f"set search_path = {cfg['search_path']}")
    db.execute((folder / cfg["schema"]).read_text())
    db.execute((folder / "indexes.sql").read_text().replace(" concurrently", ""))
    db.execute("reset search_path")


@pytest.fixture(scope="session")
def server():
    made = Postgres()
    made.create("prepared")
    with made.connect("prepared") as db:
        db.execute(schema_sql())
        for name in PACKS:
            db.execute((REPO / f"config/demo/schema-{name}.sql").read_text())
            apply_pack(db, name)
            apply_pack(db, name)  # repeatable
    yield made
    made.close()


@pytest.fixture
def db(server):
    made = Database(server, "pack_test", template="prepared")
    made.db.execute("set timezone = 'UTC'")
    yield made.db
    made.close()


@pytest.fixture
def equipemed(db):
    return Pack("equipemed", db)


@pytest.fixture
def astegni(db):
    return Pack("astegni", db)

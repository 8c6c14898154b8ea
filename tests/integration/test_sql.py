"""Every statement that the programs embed is one that PostgreSQL takes."""

import re
from pathlib import Path

import pytest
from harness.paths import REPO
from harness.postgres import Database
from harness.schema import schema_sql

STATEMENTS = sorted(
    f
    for folder in ("common", "worker", "producer", "aggregator")
    for f in (REPO / folder).rglob("sql/*.sql")
    if not f.name.startswith("_")
)
INCLUDE = re.compile(r"^[ \t]*\\ir[ \t]+(\S+)[ \t]*$", re.M)


def whole(path: Path) -> str:
    """The statement as the build embeds it."""
    text = path.read_text()
    while found := INCLUDE.search(text):
        text = text[: found.start()] + (path.parent / found[1]).read_text() + text[found.end() :]
    return text


@pytest.fixture(scope="module")
def ledger(postgres):
    database = Database(postgres, "statements")
    database.execute(schema_sql())
    yield database
    database.close()


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda f: str(f.relative_to(REPO)))
def test_a_statement_can_be_prepared(ledger, path):
    ledger.execute(f"prepare statement as {whole(path)}")
    ledger.execute("deallocate statement")

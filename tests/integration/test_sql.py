# SPDX-License-Identifier: Apache-2.0
"""Every statement that the programs embed is one that PostgreSQL takes."""

import pytest
from harness.paths import REPO
from harness.postgres import Database
from harness.schema import recreate_sql, schema_sql, whole

STATEMENTS = sorted(
    f
    for folder in ("common", "worker", "producer", "aggregator")
    for f in (REPO / folder).rglob("sql/*.sql")
    if not f.name.startswith("_")
)


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


def test_what_can_be_made_again_is_made_again(ledger):
    """With the bodies of functions checked: all of them are there now."""
    ledger.execute(
        recreate_sql().replace("check_function_bodies = off", "check_function_bodies = on")
    )


def test_every_table_and_column_has_its_comment(ledger):
    """Days of the ledger are partitions: what they are stands at their table."""
    bare = ledger.rows(
        """select c.relname, a.attname from pg_class c
           left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                                    and c.relkind <> 'v'
           where c.relnamespace = 'rollcall'::regnamespace and c.relkind in ('r', 'p', 'v')
             and not c.relispartition
             and (obj_description(c.oid, 'pg_class') is null
                  or a.attnum is not null and col_description(c.oid, a.attnum) is null)"""
    )
    assert bare == []

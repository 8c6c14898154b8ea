# SPDX-License-Identifier: Apache-2.0
"""A database of an earlier version is brought to the present one, with what is in it."""

import uuid

import pytest
from cli_pack import TABLES, Service
from cli_service import UNREACHABLE
from harness.schema import VERSIONS


@pytest.fixture
def earlier(tmp_path, database):
    """A service whose database has version 1."""
    database.execute(TABLES)
    database.execute(VERSIONS[0].read_text())
    return Service(tmp_path, database.conninfo, UNREACHABLE)


def add_run(database, state, planned=3, published=True, **counts):
    run_id = uuid.uuid4()
    number = database.value(
        "insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,"
        " dry_run, state, planned, published_at) values (%s, 'guild', 'nightly', '2026-02-01',"
        " '2026-02-01', 'manual', 'eva', false, %s, %s, case when %s then now() end) returning"
        " run_no",
        (run_id, state, planned, published),
    )
    if counts:
        database.execute(
            f"insert into rollcall.progress (run_no, source_no, {', '.join(counts)}) values (%s, 1,"
            f" {', '.join(str(n) for n in counts.values())})",
            (number,),
        )
    return run_id


def test_states_of_runs_get_their_present_names(earlier, database):
    expected = {
        add_run(database, "finished", applied=3): "succeeded",
        add_run(database, "finished", planned=0): "succeeded",
        add_run(database, "finished", applied=2, unknown=1): "completed with errors",
        add_run(database, "failed", applied=2, failed=1): "completed with errors",
        add_run(database, "failed", applied=2, quarantined=1): "completed with errors",
        add_run(database, "failed", applied=3, digest_a=7): "failed",  # its proof failed
        add_run(
            database, "failed", planned=0, published=False
        ): "failed",  # it could not be planned
        add_run(database, "published", applied=1): "published",
        add_run(database, "refused", planned=0, published=False): "refused",
        add_run(database, "cancelled", applied=1): "cancelled",
    }
    earlier.rollcall("db", "apply")
    assert dict(database.rows("select run_id, state from rollcall.run")) == expected


def test_gaps_of_re_created_topics_get_their_present_name(earlier, database):
    database.execute(
        "insert into rollcall.log_gap (source_no, how, position, low, high, found_by)"
        " values (1, 'made anew', 5, 0, 0, 'test'), (2, 'deleted', 5, 6, 9, 'test')"
    )
    earlier.rollcall("db", "apply")
    gaps = database.rows("select source_no, how from rollcall.log_gap order by 1")
    assert gaps == [(1, "re-created"), (2, "deleted")]

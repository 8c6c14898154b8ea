# SPDX-License-Identifier: Apache-2.0
"""The enums of common/model are those of the database and of the schemas."""

import json
import re
import subprocess

import pytest
from harness.paths import BUILD, REPO
from harness.postgres import Database
from harness.schema import schema_sql


@pytest.fixture(scope="module")
def ledger(postgres):
    database = Database(postgres, "model")
    database.execute(schema_sql())
    yield database
    database.close()


@pytest.fixture(scope="module")
def model():
    """The rows of each enum: [(code, name, ...)]."""
    text = subprocess.run(
        [BUILD / "tests/unit/model_driver"], check=True, capture_output=True, text=True
    ).stdout
    rows = {"outcome": [], "run": [], "held": []}
    for line in text.splitlines():
        kind, code, *rest = line.split("\t")
        rows[kind].append((int(code), *rest))
    return rows


def states_of_check(ledger, constraint):
    """The texts that a check constraint allows."""
    text = ledger.value(
        "select pg_get_constraintdef(oid) from pg_constraint "
        f"where conname = '{constraint}' and connamespace = 'rollcall'::regnamespace"
    )
    return set(re.findall(r"'([^']*)'", text))


def test_outcomes_have_their_codes_in_sql(model, ledger):
    for code, name in model["outcome"]:
        assert ledger.value(f"select rollcall.outcome_name({code}::smallint)") == name
    after = len(model["outcome"])
    assert ledger.value(f"select rollcall.outcome_name({after}::smallint)") is None


def test_outcomes_are_the_symbols_of_the_schema(model):
    schema = json.loads((REPO / "schemas/outcome.avsc").read_text())
    (kind,) = [f["type"] for f in schema["fields"] if f["name"] == "outcome"]
    assert kind["symbols"] == [name for _, name in model["outcome"]]


def test_states_of_runs_are_those_of_the_table(model, ledger):
    assert states_of_check(ledger, "run_state_check") == {name for _, name, _ in model["run"]}


def test_open_states_of_runs_are_those_of_the_function(model, ledger):
    for _, name, is_open in model["run"]:
        assert ledger.value(f"select rollcall.run_is_open('{name}')") == (is_open == "open")


def test_states_of_parked_tasks_are_those_of_the_table(model, ledger):
    assert states_of_check(ledger, "held_state_check") == {name for _, name in model["held"]}

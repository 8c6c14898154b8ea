# SPDX-License-Identifier: Apache-2.0
"""Reports larger than memory, with every digit, and files that nobody overwrites."""

import csv
import json
import os
import re
import resource
import subprocess
import time
from decimal import Decimal
from pathlib import Path

import pytest
from cli_pack import TABLES, Service
from cli_service import UNREACHABLE
from harness.paths import REPO, program
from harness.system import System, demo_tables

ROWS = 1_000_000
PACK = f"""
name = "large"; title = "Large"; search_path = "public"; subject_type = "integer";
reports = (
  {{ name = "rows"; statement = "rows.sql"; kind = "rows"; parameters = ( {{ name = "n";
      type = "integer"; default = {ROWS}; }} ); }},
  {{ name = "document"; statement = "document.sql"; parameters = ( {{ name = "n"; type = "integer";
      default = {ROWS}; }} ); }},
  {{ name = "numbers"; statement = "numbers.sql"; }},
  {{ name = "two"; statement = "two.sql"; }},
  {{ name = "none"; statement = "none.sql"; }},
  {{ name = "about"; statement = "about.sql"; parameters = ( {{ name = "run"; type = "uuid"; }} );
      }}
);
"""
COLUMNS = (
    "n as id, 'Ana Conceição ' || n as name, n::numeric / 3 as share, null::text as note, n % 2 = 0"
    " as even"
)
FILES = {
    "rows.sql": f"select {COLUMNS} from generate_series(1, :n) n; -- in this order\n",
    "document.sql": (
        "select json_build_object('title', 'x', 'people', (select json_agg(p) from (select"
        f" {COLUMNS} from generate_series(1, :n) n) p), 'end', true)\n;\n"
    ),
    "numbers.sql": (
        "select json_build_object('money', 12345678901234.56::numeric, 'sum',"
        " 9223372036854775807::numeric * 3, 'small', 0.1::numeric, 'third', 1::numeric / 3,"
        " 'zeros', 1.50::numeric, 'list', json_build_array(json_build_object('n',"
        " 123456789012345678901234567890.123456789::numeric)))"
    ),
    "two.sql": "select json_build_object('n', n) from generate_series(1, 2) n",
    "none.sql": "select null::json",
    "about.sql": "select json_build_object('run', :run)",
}


@pytest.fixture
def service(tmp_path, database):
    database.execute(TABLES)
    made = Service(tmp_path, database.conninfo, UNREACHABLE)
    made.add_pack("large", PACK, **FILES)
    made.rollcall("db", "apply")
    return made


def peak(*args, stdout):
    """Exit status and largest resident size in MiB of a program, looked at while it runs."""
    done = subprocess.Popen([program("rollcall"), *map(str, args)], stdout=stdout)
    largest = 0
    while done.poll() is None:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{done.pid}/status").read_text())
        largest = (
            int(found[1]) / 1024
            if found and "rollcall" in os.readlink(f"/proc/{done.pid}/exe")
            else largest
        )
        time.sleep(0.02)
    return done.returncode, largest


@pytest.mark.parametrize("name", ["rows", "document"])
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_million_rows_take_the_memory_of_one(service, tmp_path, name, form):
    out = tmp_path / f"out.{form}"
    with open(out, "wb") as f:
        code, mib = peak("-c", service.file, "report", name, "--format", form, stdout=f)
    assert code == 0 and 5 < mib < 40, mib
    with open(out, newline="") as f:
        text = f.read()
    expected = f"Ana Conceição {ROWS}"
    if form == "json":
        people = json.loads(text, parse_float=Decimal)
        people = people if name == "rows" else people["people"]
        assert (
            len(people) == ROWS
            and people[-1]["name"] == expected
            and people[1]
            == {
                "id": 2,
                "name": "Ana Conceição 2",
                "share": Decimal("0.66666666666666666667"),
                "note": None,
                "even": True,
            }
        )
    else:
        assert text.count("Ana Conceição") == ROWS and expected in text
    if form == "csv" and name == "rows":
        last = list(csv.reader(text.splitlines()))[-1]
        assert last == [str(ROWS), expected, "333333.333333333333", "", "true"]


def test_every_digit_is_printed(service):
    for form in ("table", "csv", "json"):
        out = service.rollcall("report", "numbers", "--format", form)
        for digits in (
            "12345678901234.56",
            "27670116110564327421",
            "0.1",
            "0.33333333333333333333",
            "1.50",
            "123456789012345678901234567890.123456789",
        ):
            assert re.search(rf"(?<![\d.]){re.escape(digits)}(?!\d)", out), (form, digits, out)


def test_a_report_of_no_rows(service):
    assert service.rollcall("report", "rows", "--n", "0", "--format", "csv") == ""
    assert service.rollcall("report", "rows", "--n", "0", "--format", "json") == "[]\n"
    assert service.rollcall("report", "rows", "--n", "0").endswith("(none)\n")


@pytest.mark.parametrize(
    "name, said",
    [("two", "this one returned more rows"), ("none", "this one returned no row, or NULL")],
)
def test_a_document_is_one_value(service, name, said):
    service.rollcall("report", name, code=1)
    assert (
        f"{name}.sql: a report's statement returns one row with one json value, {said}"
        in service.err
    )


def test_the_report_of_an_unknown_run_is_not_found(service):
    service.rollcall("report", "about", "--run", "00000000-0000-0000-0000-000000000001", code=5)
    assert "there is no run 00000000-0000-0000-0000-000000000001" in service.err
    assert "Run: -" in service.rollcall("report", "about")


def test_a_file_that_cannot_be_written_is_not_half_there(service, tmp_path):
    folder = tmp_path / "full"
    folder.mkdir()

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = subprocess.run(
        [
            "bash",
            "-c",
            'trap "" XFSZ; exec "$@"',
            "-",
            program("rollcall"),
            "-c",
            service.file,
            "report",
            "rows",
            "--format",
            "csv",
            "--output-file",
            folder / "x.csv",
        ],
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert done.returncode == 1 and "File too large" in done.stderr and "rows.sql" in done.stderr, (
        done.stderr
    )
    assert list(folder.iterdir()) == []


# ---- the worker's files ----
def test_the_weekly_report_of_100_000_people_and_two_runs_in_one_minute(
    tmp_path, database, embedded, unique
):
    jobs = 'jobs = ( { name = "health-check"; suspend = true; } );'
    system = System(
        tmp_path,
        database,
        embedded,
        unique("p"),
        {REPO / "config/packs/equipemed": jobs},
        [demo_tables("equipemed")],
        workers=1,
    )
    try:
        database.execute(
            "insert into equipemed.accounts_eqmdcustomuser (username, email, first_name, last_name,"
            " profession_type, date_joined, access_expires_at) select 'pessoa' || n, 'pessoa' || n"
            " || '@example.com', 'Ana Maria', 'da Conceição ' || n, n % 5, now() - interval '2"
            " years', now() + interval '1 year' from generate_series(1, 100000) n"
        )
        first = system.run("inactive-users-report")
        second = system.run("inactive-users-report", "--force")
        assert first["applied"] == second["applied"] == 1
        files = sorted(p for p in system.reports.rglob("*") if p.is_file())
        assert len(files) == 2, files
        with open(files[0], newline="", encoding="utf-8-sig") as f:
            rows = list(csv.DictReader(f))
        assert len(rows) == 100_000 and rows[0]["full_name"].startswith("Ana Maria da Conceição")
        assert files[0].read_bytes() == files[1].read_bytes()
        assert not [p for p in system.reports.rglob(".*")]
        status = Path(f"/proc/{system.daemons['worker-1'].pid}/status").read_text()
        assert int(re.search(r"VmHWM:\s+(\d+)", status)[1]) < 64 * 1024
    finally:
        system.close()


def test_a_cut_list_says_so(tmp_path, database, embedded, unique):
    jobs = 'jobs = ( { name = "health-check"; suspend = true; } );'
    system = System(
        tmp_path,
        database,
        embedded,
        unique("p"),
        {REPO / "config/packs/equipemed": jobs},
        [demo_tables("equipemed")],
        workers=1,
    )
    try:
        database.execute(
            "insert into equipemed.accounts_eqmdcustomuser (username, email, first_name, last_name,"
            " profession_type, date_joined, access_expires_at) select 'p' || n, 'p' || n ||"
            " '@example.com', 'Ana', 'C', 1, now() - interval '1 year', now() - interval '1 day'"
            " from generate_series(1, 1234) n"
        )
        system.run("check-expiration")
        assert "Lists: newly_expired: 200 of 1,234 shown\n" in system.cli(
            "report", "expiration-summary"
        )
        assert "Lists: complete\n" in system.cli(
            "report", "expiration-summary", "--max-rows", "5000"
        )
    finally:
        system.close()

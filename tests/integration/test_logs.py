# SPDX-License-Identifier: Apache-2.0
"""Log lines as a log collector reads them."""

import re
from datetime import datetime

from harness.paths import REPO
from harness.system import System, demo_tables

PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^" =]*)(?: |$)')


def fields(line):
    """A line's keys and values; fails on anything that is not key=value."""
    found, at = {}, 0
    while at < len(line):
        match = PAIR.match(line, at)
        assert match, f"not key=value from column {at}: {line}"
        assert match.group(1) not in found, f"{match.group(1)} twice: {line}"
        found[match.group(1)] = match.group(2)
        at = match.end()
    return found


def test_every_line_is_keys_and_values_and_names_its_run(tmp_path, database, embedded, unique):
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
        run = system.run("check-expiration")
        system.wait(
            "the run's end is logged",
            lambda: 'msg="run closed"' in system.daemons["scheduler"].text(),
        )
        database.execute(
            "alter table equipemed.accounts_eqmdcustomuser rename column access_expires_at to"
            ' "user""\nname"'
        )
        system.cli("jobs", "run", "check-expiration", "--force")
        system.wait(
            "an error is logged",
            lambda: (
                "level=error" in "".join(d.text() for d in system.daemons.values())
                or "level=warn" in "".join(d.text() for d in system.daemons.values())
            ),
        )
    finally:
        system.close()
    lines = [line for daemon in system.daemons.values() for line in daemon.text().splitlines()]
    assert len(lines) > 8
    times = set()
    for line in lines:
        found = fields(line)
        assert list(found)[:4] == ["ts", "level", "prog", "msg"], line
        datetime.strptime(found["ts"], "%Y-%m-%dT%H:%M:%S.%fZ")
        times.add(len(found["ts"]))
        if "run_no" in found:
            assert re.fullmatch(
                r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found.get("run_id", "")
            ), line
    assert times == {len("2026-11-28T09:00:00.000Z")}
    closed = [fields(line) for line in lines if 'msg="run closed"' in line]
    assert closed and closed[0]["run_id"] == run["run_id"]

# SPDX-License-Identifier: Apache-2.0
"""Time zones: every zone of the IANA database, the years 1900 to 2400, against Python's own
reading of the same files.
"""

import random
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

import pytest
from harness.paths import program

BEGIN, END = (int(datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (1900, 2400))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOTABLE = [
    "America/St_Johns",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Asia/Gaza",
    "America/Nuuk",
    "Pacific/Apia",
    "Antarctica/Troll",
    "Asia/Tehran",
    "America/Santiago",
    "EST5EDT",
    "UTC",
    "Etc/GMT+12",
]


def offset(zone, second):
    return int((EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset().total_seconds())


def changes(zone, step):
    """The seconds at which the offset changes, found by looking every `step` seconds."""
    found, before = [], offset(zone, BEGIN)
    for second in range(BEGIN, END, step):
        now = offset(zone, second)
        if now != before:
            low, high = second - step, second
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
            found.append(high)
        before = now
    return found


def compare(wanted):
    """wanted: (zone, second) in order of zones."""
    done = subprocess.run(
        [program("tests/unit/zone_driver")],
        input="".join(f"{z} {s}\n" for z, s in wanted),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(answers) == len(wanted)
    zones = {}
    for (name, second), (got, kind, back) in zip(wanted, answers):
        zone = zones.setdefault(name, ZoneInfo(name))
        assert got == offset(zone, second), f"{name} at {EPOCH + timedelta(seconds=second)}"
        local = (EPOCH + timedelta(seconds=second + got)).replace(tzinfo=None)
        first = int(local.replace(tzinfo=zone, fold=0).timestamp())
        assert kind in (0, 2) and back == first, (
            f"{name}, local {local}: {kind}, {back} instead of {first}"
        )


def test_every_zone_in_every_century():
    rng = random.Random(15)
    names = sorted(
        n
        for n in available_timezones()
        if n not in ("localtime", "Factory") and not n.startswith(("right/", "posix/"))
    )
    compare([(name, rng.randrange(BEGIN, END)) for name in names for _ in range(300)])


@pytest.mark.parametrize("name", NOTABLE)
def test_each_change_of_an_offset_comes_at_its_second(name):
    seconds = changes(ZoneInfo(name), 5 * 86400)
    compare([(name, at + around) for at in seconds for around in (-7200, -1, 0, 1, 3599, 3600)])
    if name not in ("UTC", "Etc/GMT+12"):
        assert seconds


def test_years_that_were_wrong():
    for name, when, hours in (
        ("America/St_Johns", "2011-03-13T03:31:00", -2.5),
        ("Europe/Berlin", "2045-07-01T00:00:00", 2),
        ("Europe/Berlin", "2045-12-01T00:00:00", 1),
    ):
        second = int(datetime.fromisoformat(when + "+00:00").timestamp())
        done = subprocess.run(
            [program("tests/unit/zone_driver")],
            input=f"{name} {second}\n",
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(done.stdout.split()[0]) == hours * 3600, name


def test_years_that_only_time_t_knows():
    """The calendar repeats itself every 400 years."""
    cycle = 146097 * 86400
    for name in NOTABLE:
        seconds = [
            s + rounds * cycle
            for s in range(END - 3 * 365 * 86400, END, 86399 * 7)
            for rounds in (0, 1, 20)
        ]
        done = subprocess.run(
            [program("tests/unit/zone_driver")],
            input="".join(f"{name} {s}\n" for s in seconds),
            capture_output=True,
            text=True,
            check=True,
        )
        answers = [line.split() for line in done.stdout.splitlines()]
        for i in range(0, len(answers), 3):
            assert answers[i][:2] == answers[i + 1][:2] == answers[i + 2][:2], name
            assert (
                int(answers[i][2]) + cycle
                == int(answers[i + 1][2])
                == int(answers[i + 2][2]) - 19 * cycle
            )

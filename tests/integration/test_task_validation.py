# SPDX-License-Identifier: Apache-2.0
"""What the tool refuses is what a worker refuses: the same inputs go through both."""

import uuid

from worker_pack import adhoc
from worker_service import make_service  # noqa: F401

FAILED = 2  # rollcall.outcome.outcome

GOOD = {"days": "3"}
CASES = [
    # subject, item, arguments, accepted
    ("1", "", GOOD, True),
    ("1", "x", GOOD, True),
    ("1", "x" * 1000, GOOD, True),
    ("1", "x" * 1001, GOOD, False),
    ("1", "é" * 501, GOOD, False),
    ("01", "", GOOD, False),
    ("+1", "", GOOD, False),
    ("-0", "", GOOD, False),
    (" 1", "", GOOD, False),
    ("1.0", "", GOOD, False),
    ("ana", "", GOOD, False),
    ("9" * 1001, "", GOOD, False),
    ("9223372036854775807", "", GOOD, True),
    ("9223372036854775808", "", GOOD, False),
    ("1", "", {}, False),
    ("1", "", {"days": "0"}, False),
    ("1", "", {"days": "100"}, True),
    ("1", "", {"days": "101"}, False),
    ("1", "", {"days": "3.5"}, False),
    ("1", "", {"days": ""}, False),
    ("1", "", {"days": "3", "level": "gold"}, True),
    ("1", "", {"days": "3", "level": "iron"}, False),
    ("1", "", {"days": "3", "level": "gold\n"}, False),
    ("1", "", {"days": "3", "until": "2026-02-28"}, True),
    ("1", "", {"days": "3", "until": "2026-02-29"}, False),
    ("1", "", {"days": "3", "until": "28/02/2026"}, False),
    ("1", "", {"days": "3", "level": "g" * 60_000, "until": "x" * 60_000}, False),
    ("1", "", {"days": "3", "level": "g" * 100_000, "until": "x" * 60_000}, False),
]


def test_the_tool_refuses_exactly_what_a_worker_refuses(make_service, broker):  # noqa: F811
    service = make_service(broker)
    service.people(2)
    sent = [adhoc("club.grant", s, uuid.uuid4(), item, **args) for s, item, args, _ in CASES]
    service.send(sent, lane="urgent")
    service.start(lanes=["urgent"])

    def verdicts():
        outcomes = dict(
            service.database.rows("select task_id, outcome from rollcall.outcome where run_no = 0")
        )
        letters = {
            bytes(value)
            for (value,) in service.database.rows("select value from rollcall.dead_letter")
        }
        found = [
            False if task.bytes in letters else outcomes.get(task.id, -1) != FAILED
            for task in sent
            if task.bytes in letters or outcomes.get(task.id, -1) >= 0
        ]
        return found if len(found) == len(sent) else None

    worker = service.wait(verdicts, what="an end of each task")
    service.stop_all()
    tool = []
    for subject, item, arguments, _ in CASES:
        settings = [word for n, v in arguments.items() for word in ("--set", f"{n}={v}")]
        about = ["--subject", subject, *(["--item", item] if item else [])]
        done = service.tried("tasks", "submit", "--type", "club.grant", *about, *settings)
        assert done.returncode in (0, 2), (subject[:30], done.stderr)
        tool.append(done.returncode == 0)
    expected = [accepted for *_, accepted in CASES]
    for verdict in (worker, tool):
        wrong = [
            (subject[:20], item[:20], {n: v[:20] for n, v in arguments.items()}, got)
            for (subject, item, arguments, accepted), got in zip(CASES, verdict, strict=True)
            if got != accepted
        ]
        assert not wrong
    assert worker == tool == expected

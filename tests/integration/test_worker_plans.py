# SPDX-License-Identifier: Apache-2.0
"""No plan of a composed statement compares each row of a batch with each of another list: what
is requested by hand is as fast as a run's tasks.
"""

import re
import time

import pytest
from test_worker_now import own
from worker_pack import Run, adhoc
from worker_service import make_service  # noqa: F401

JUDGED = """
found as (select p.id, p.hits, p.trap from batch b join person p on p.id = b.subject
    order by p.id for update of p),
judged as (select b.subject, f.id, f.hits, 1 / (1 - length(f.trap)) as divided from batch b left
    join found f on f.id = b.subject),
changed as (update person p set hits = j.hits + 1 from judged j where p.id = j.id and j.hits < 1000
    returning p.id),
effect as (select j.subject, case when c.id is null then 'skipped' else 'applied' end as outcome,
    j.divided::text as after from judged j left join changed c on c.id = j.id)"""
PLANS = (
    "alter database {0} set session_preload_libraries = 'auto_explain'; alter database {0} set"
    " auto_explain.log_min_duration = 0; alter database {0} set auto_explain.log_nested_statements"
    " = on"
)


def depth(line):
    return len(line) - len(line.lstrip())


def quadratic(plan):
    """Inner sides of nested loops that are lists of the statement."""
    lines = plan.split("\n")
    for i, line in enumerate(lines):
        if "Nested Loop" not in line:
            continue
        below = [
            x
            for x in lines[
                i + 1 : next(
                    (k for k in range(i + 1, len(lines)) if depth(lines[k]) <= depth(line)),
                    len(lines),
                )
            ]
            if x.lstrip().startswith("->")
        ]
        children = [x for x in below if depth(x) == min(map(depth, below))]
        if "CTE Scan" in children[1] or "Function Scan on u " in children[1]:
            yield line.strip(), children[1].strip()


def plans(postgres, of):
    text = (postgres.root / "log").read_text(errors="replace")
    return [
        p
        for p in re.split(r"\n\d{4}-\d\d-\d\d [\d:.]+ UTC ", text)
        if "plan:" in p and of in " ".join(p[p.index("Query Text:") : p.index("(cost=")].split())
    ]


@pytest.mark.parametrize("analyzed", [False, True])
def test_no_plan_is_quadratic(make_service, kafka, postgres, tmp_path, analyzed):
    """By hand, a later try, and repetitions of a run; with statistics and without."""
    service = make_service(
        kafka,
        people=20000,
        partitions=1,
        pack_cfg=own(tmp_path, bump=JUDGED),
        retry='attempts = 9; base = "100ms"; max = "300ms";',
    )
    service.database.execute(PLANS.format(service.database.name))
    service.database.execute("update person set trap = 'x' where id <= 20")
    if analyzed:
        service.database.execute("analyze")
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1001, 2001)], placed=False)
    service.send(tasks + tasks)
    service.send([adhoc("club.bump", n) for n in range(1, 1001)])
    service.start(lanes=["tasks"])
    service.wait(lambda: service.database.value("select count(*) from rollcall.held") >= 1)
    service.wait(run.complete)
    service.database.execute("update person set trap = ''")
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome where outcome = 0")
            == 2000
        )
    )
    service.stop_all()
    lookups = (
        "from rollcall.outcome_adhoc o where",
        "from rollcall.outcome o where o.day = of_day",
    )  # within the functions
    for variant in ("rollcall.claim(", "known_by_id", "known_of_run", "coalesce(u.actor", *lookups):
        found = plans(postgres, variant)
        assert found, variant
        for p in found:
            assert "JIT:" not in p, p
            assert not list(
                quadratic(p[p.index("Nested Loop") - 200 :] if "Nested Loop" in p else "")
            ), p


def test_five_thousand_tasks_by_request_take_a_second_or_two(make_service, kafka, tmp_path):
    """In one batch, within a second or two: comparing each with each took ten times as long."""
    service = make_service(kafka, people=20000, partitions=1, pack_cfg=own(tmp_path, bump=JUDGED))
    service.start(lanes=["tasks"])
    service.send([adhoc("club.bump", n) for n in range(1, 11)])
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome where outcome = 0") == 10
        )
    )
    began = time.monotonic()
    service.send([adhoc("club.bump", n) for n in range(1, 15001)])
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome where outcome = 0")
            == 15010
        )
    )
    assert time.monotonic() - began < 20
    service.stop_all()

# SPDX-License-Identifier: Apache-2.0
"""Tasks are asked for in the database, and published by the scheduler: at once, once, and
whatever ends in between.
"""

import re
import uuid

import psycopg
import pytest
from request_service import Requests


@pytest.fixture
def rig(tmp_path, unique, database):
    made = []

    def make(broker, **options):
        made.append(Requests(broker, database, tmp_path, unique("q"), **options))
        return made[-1]

    yield make
    for r in made:
        r.sanitized()
        r.close()


def test_a_request_is_published_and_done(rig, broker):
    rig = rig(broker, people=20)
    rig.scheduler()
    rig.start()
    one = rig.file([1])
    many = rig.file(range(2, 12), items=["" for _ in range(10)])
    rig.wait_done(one + many)
    rig.wait(lambda: rig.requests("1", "settled_at is null") == [])
    assert rig.requests(
        "actor, on_behalf_of, origin, about, n_tasks, large, published_at is not null"
    ) == [
        (rig.database.value("select session_user"), None, "operator", "club.bump", n, False, True)
        for n in (1, 10)
    ]
    assert [rig.hits(n) for n in (1, 2, 11, 12)] == [1, 1, 1, 0]
    assert rig.database.rows("select distinct actor from rollcall.outcome_adhoc") == [
        (rig.database.value("select session_user"),)
    ]


def test_items_and_arguments_arrive(rig, kafka):
    rig = rig(kafka, people=3)
    rig.scheduler()
    rig.start()
    ids = rig.file(
        [1, 2, 3],
        "grant",
        items=["a", "", "ü"],
        arguments=['{"days": "3"}', '{"days": "3", "level": "gold"}', None],
    )
    rig.wait_done(ids)
    assert rig.database.rows(
        "select subject, item, outcome, arguments from rollcall.outcome_adhoc order by subject"
    ) == [
        ("1", "a", 0, {"days": "3"}),
        ("2", "", 0, {"days": "3", "level": "gold"}),
        ("3", "ü", 2, {}),
    ]


@pytest.mark.parametrize(
    "broken, said",
    [
        ({"subjects": [""]}, "1 to 1000 bytes"),
        ({"subjects": ["x" * 1001]}, "1 to 1000 bytes"),
        ({"items": ["i" * 1001]}, "at most 1000"),
        ({"ids": [uuid.UUID(int=0)]}, "not nil"),
        ({"items": []}, "for each task"),
        ({"subjects": ["1"] * 10001}, "1 to 10000 tasks"),
        ({"subjects": ["y" * 1000] * 5000}, "at most 4 MiB"),
        ({"arguments": ["{"]}, "JSON object of texts"),
        ({"arguments": ['{"a": 1}']}, "JSON object of texts"),
        ({"arguments": ['{"a": "\\u0000"}']}, "JSON object of texts"),
        ({"arguments": ['["a"]']}, "JSON object of texts"),
        ({"arguments": ['{"a": "' + "z" * 131073 + '"}']}, "128 KiB"),
        ({"type_name": "nope"}, "no task type"),
        ({"on_behalf_of": "eva"}, "may not act for others"),
    ],
)
def test_what_the_function_refuses(rig, kafka, broken, said):
    rig = rig(kafka)
    with pytest.raises(psycopg.Error, match=said):
        rig.file(**{"subjects": ["1"], **broken})
    assert rig.requests() == []


def test_the_same_request_again_is_no_other(rig, kafka):
    rig = rig(kafka, people=2)
    ids = rig.file([1, 2])
    rig.file([1, 2], ids=ids)
    assert len(rig.requests()) == 1
    for other in (
        {"subjects": [1, 3]},
        {"type_name": "other"},
        {"dry_run": True},
        {"items": ["", "i"]},
    ):
        with pytest.raises(psycopg.errors.UniqueViolation, match="with another content"):
            rig.file(**{"subjects": [1, 2], "ids": ids, **other})
    rig.scheduler()
    rig.start()
    rig.wait_done(ids)
    with pytest.raises(psycopg.errors.UniqueViolation, match="for another task"):
        rig.file([1], ids=ids[1:])
    assert len(rig.requests()) == 1


def test_a_large_request_is_not_urgent(rig, kafka):
    """Nor is a small one behind it."""
    rig = rig(kafka, people=200)
    rig.scheduler()
    rig.start()
    large = rig.file(range(1, 120), "grant", arguments=['{"days": "1"}'] * 119)
    small = rig.file([150], "grant", arguments=['{"days": "1"}'])
    rig.wait_done(large + small)
    topics = dict(
        rig.database.rows(
            "select o.task_id, p.topic from rollcall.outcome_adhoc o join rollcall.position p using"
            " (source_no)"
        )
    )
    assert topics[large[0]] == rig.topic("tasks") and topics[small[0]] == rig.topic("urgent")


def test_a_killed_scheduler_leaves_nothing_out(rig, kafka):
    rig = rig(kafka, people=300)
    rig.start()
    first = rig.scheduler()
    ids = [i for n in range(10) for i in rig.file(range(1 + 30 * n, 31 + 30 * n))]
    rig.wait(lambda: rig.outcome_count(ids) > 0)
    first.kill()
    first.stopped = True
    rig.scheduler()
    rig.wait_done(ids)
    rig.wait(lambda: rig.requests("1", "published_at is null") == [])
    assert rig.database.value("select count(*) from person where hits <> 1") == 0


def test_what_another_cluster_has_is_published_again(rig, embedded):
    """A request without outcomes; those that are settled stay."""
    rig = rig(embedded, people=10)
    first = rig.scheduler()
    worker = rig.start()
    done = rig.file([1, 2, 3])
    rig.wait_done(done)
    rig.wait(lambda: rig.requests("1", "settled_at is null") == [])
    rig.kill(worker)
    lost = rig.file([4, 5, 6])
    rig.wait(lambda: rig.requests("1", "published_at is null") == [])
    rig.database.execute("update rollcall.request set cluster = 'gone'")
    rig.kill(first)
    rig.scheduler()
    rig.wait(lambda: rig.requests("cluster <> 'gone'") == [(False,), (True,)])
    rig.start()
    rig.wait_done(lost)
    assert [rig.hits(n) for n in range(1, 8)] == [1, 1, 1, 1, 1, 1, 0]


def test_a_lost_log_is_published_again(rig, kafka):
    """Only what has no outcome: a follow-up of an ad-hoc task, too."""
    rig = rig(kafka, people=10)
    rig.scheduler()
    half = rig.start(lanes=["tasks"])  # nobody serves the follow-ups' lanes
    done = rig.file(range(1, 6), "enrol")
    rig.wait_done(done)
    by_type = (  # a row for each batch
        "select about, origin, sum(n_tasks)::int from rollcall.request group by 1, 2 order by 1"
    )
    assert rig.database.rows(by_type) == [
        ("club.enrol", "operator", 5),
        ("club.greet", "rollcall", 5),
        ("club.welcome", "rollcall", 5),
    ]
    rig.wait(lambda: rig.requests("1", "published_at is null") == [])
    rig.kill(half)
    for lane in "urgent", "mail":  # as `topics repair` leaves it when the topic was re-created
        source = rig.database.value(
            "insert into rollcall.position (cluster, topic, partition) values ('c', %s, 77)"
            " returning source_no",
            (rig.topic(lane),),
        )
        rig.database.execute(
            "insert into rollcall.log_gap (source_no, how, position, low, high, found_by) values"
            " (%s, 're-created', 5, 0, 0, 'test')",
            (source,),
        )
    rig.database.execute("notify rollcall_run")
    rig.wait(
        lambda: (
            rig.database.value("select count(*) from rollcall.log_gap where repaired_at is null")
            == 0
        )
    )
    rig.start()
    rig.wait(
        lambda: rig.database.value("select count(*) from rollcall.outcome_adhoc") == 20
    )  # each with welcome, greet and its thanks
    welcome = [r["task_id"] for *_, r in rig.read("urgent")]
    assert len(welcome) == 10 and len(set(welcome)) == 5, "published twice, done once"
    assert rig.database.value("select count(*) from rollcall.outcome_adhoc where outcome <> 0") == 0


def test_follow_ups_wait_for_a_scheduler(rig, kafka):
    """They are owed from the moment their task is done."""
    rig = rig(kafka, people=3)
    rig.start()
    from worker_pack import adhoc

    task = adhoc("club.enrol", 1)
    rig.send([task])
    rig.wait_done([task.id])
    assert rig.database.rows("select outcome, reason, follow_ups from rollcall.outcome_adhoc") == [
        (0, "", ["club.welcome", "club.greet"])
    ]
    assert rig.requests("about, actor, origin, published_at", "origin = 'rollcall'") == [
        ("club.greet", "cli:ana", "rollcall", None),
        ("club.welcome", "cli:ana", "rollcall", None),
    ]
    rig.scheduler()
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.outcome_adhoc") == 4)


def test_many_single_requests_beside_a_run(rig, kafka):
    """None waits for the run's publication."""
    rig = rig(kafka, people=100_000, scheduler='lease = "5s"; tick = "200ms"; chunk = 5000;')
    rig.scheduler()
    rig.start(lanes=["tasks"])
    rig.start(lanes=["urgent"])
    rig.timed(1, type_name="welcome")
    run = rig.ask("sweep")
    rig.wait(lambda: rig.state(run) in ("planned", "published"))
    waits = sorted(rig.timed(n, type_name="welcome") for n in range(2, 60))
    assert waits[len(waits) // 2] < 0.5, waits
    assert rig.database.value("select count(*) from rollcall.outcome_adhoc") == 59


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_many_tasks_are_done_soon(rig, kafka, size):
    """However they were asked for. The bound is far above what it takes: a plan that compares
    each with each takes minutes.
    """
    rig = rig(kafka, people=20_000)
    rig.scheduler()
    rig.start()
    with psycopg.connect(rig.database.conninfo) as db:
        db.execute(
            "select count(rollcall.request_tasks('club.bump', false, null, ids, subjects, null,"
            " null)) from (select array_agg(gen_random_uuid()) as ids, array_agg(n::text) as"
            " subjects from generate_series(1, 20000) n group by (n - 1) / %s) x",
            (size,),
        )
    rig.wait(
        lambda: (
            rig.database.value("select count(*) from rollcall.outcome_adhoc where outcome = 0")
            == 20_000
        ),
        90,
    )
    assert rig.database.value("select count(*) from person where hits <> 1") == 0


def test_a_file_is_waited_for_row_by_row(rig, kafka, tmp_path):
    """Over several windows; each row's line once, with its own outcome."""
    import subprocess

    from harness.paths import program

    rig = rig(kafka, people=12_000)
    rig.database.execute("update person set active = false where id % 1000 = 0")
    rig.scheduler()
    rig.start()
    path = tmp_path / "people.csv"
    path.write_text("subject\n" + "".join(f"{n}\n" for n in range(1, 12_001)))
    done = subprocess.run(
        [
            program("rollcall"),
            "-c",
            rig.config,
            "tasks",
            "submit",
            "--type",
            "bump",
            "--csv",
            path,
            "--wait",
            "--timeout",
            "60s",
            "--yes",
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 7, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "12000 submitted, 0 rejected"
    assert sorted(int(line.split(":")[1]) for line in lines[:-1]) == list(range(1, 12_001))
    assert all(line.startswith(f"line {int(line.split(':')[1]) + 1}: ") for line in lines[:-1])
    assert {line.split(": ")[1] for line in lines[:-1] if ": skipped: not eligible" in line} == {
        str(n) for n in range(1000, 12_001, 1000)
    }


def test_an_id_is_of_one_task(rig, broker):
    """Another task under a known id is a dead letter that says so; the very same is nothing. In
    one batch as in two.
    """
    rig = rig(broker, people=5)
    worker = rig.start()
    from worker_pack import adhoc

    task = adhoc("club.grant", 1, item="i", days="3")
    changed = [
        task._replace(**c)
        for c in (
            {"type": "club.bump", "arguments": {}},
            {"subject": "2"},
            {"item": "j"},
            {"arguments": {"days": "4"}},
            {"dry_run": True},
        )
    ]
    rig.send([task, task], "urgent")
    rig.wait_done([task.id])
    rig.send([task, *changed, task], "urgent")
    said = f"the task id {task.id} was used before, for another task"
    rig.wait(lambda: len(rig.database.rows("select 1 from rollcall.dead_letter")) == 5)
    assert {r for (r,) in rig.database.rows("select reason from rollcall.dead_letter")} == {said}
    rig.wait(lambda: len(rig.letters()) == 5)
    both = [adhoc("club.bump", n, uuid.UUID(int=77)) for n in (3, 4)]
    rig.stop(worker)
    rig.send(both)
    rig.start()
    rig.wait(
        lambda: (
            rig.database.value(
                "select count(*) from rollcall.dead_letter where reason like '%0000004d was used"
                " before%'"
            )
            == 1
        )
    )
    assert rig.database.value("select count(*) from rollcall.outcome_adhoc") == 2
    assert (
        sum(rig.hits(n) for n in (3, 4)) == 1
        and rig.database.value("select count(*) from journal where type = 'grant'") == 1
    )


def test_the_tool_says_that_no_scheduler_is_there(rig, kafka):
    rig = rig(kafka, people=1)
    import subprocess

    from harness.paths import program

    done = subprocess.run(
        [
            program("rollcall"),
            "-c",
            rig.config,
            "tasks",
            "submit",
            "--type",
            "bump",
            "--subject",
            "1",
            "--wait",
            "--timeout",
            "5s",
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 6 and re.search("no scheduler is running", done.stderr)
    rig.scheduler()
    rig.start()
    rig.wait(lambda: rig.hits(1) == 1)

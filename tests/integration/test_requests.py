# SPDX-License-Identifier: Apache-2.0
"""Tasks are requested in the database, and published by the scheduler: at once, once, and
whatever ends in between.
"""

import re
import uuid

import psycopg
import pytest
from request_service import Requests


@pytest.fixture
def make_service(tmp_path, unique, database):
    made = []

    def make(broker, **options):
        made.append(Requests(broker, database, tmp_path, unique("q"), **options))
        return made[-1]

    yield make
    for r in made:
        r.sanitized()
        r.close()


def test_a_request_is_published_and_done(make_service, broker):
    service = make_service(broker, people=20)
    service.scheduler()
    service.start()
    one = service.file([1])
    many = service.file(range(2, 12), items=["" for _ in range(10)])
    service.wait_done(one + many)
    service.wait(lambda: service.requests("1", "settled_at is null") == [])
    assert service.requests(
        "actor, on_behalf_of, origin, about, n_tasks, large, published_at is not null"
    ) == [
        (
            service.database.value("select session_user"),
            None,
            "operator",
            "club.bump",
            n,
            False,
            True,
        )
        for n in (1, 10)
    ]
    assert [service.hits(n) for n in (1, 2, 11, 12)] == [1, 1, 1, 0]
    assert service.database.rows("select distinct actor from rollcall.outcome_adhoc") == [
        (service.database.value("select session_user"),)
    ]


def test_items_and_arguments_arrive(make_service, kafka):
    service = make_service(kafka, people=3)
    service.scheduler()
    service.start()
    ids = service.file(
        [1, 2, 3],
        "grant",
        items=["a", "", "ü"],
        arguments=['{"days": "3"}', '{"days": "3", "level": "gold"}', None],
    )
    service.wait_done(ids)
    assert service.database.rows(
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
def test_what_the_function_refuses(make_service, kafka, broken, said):
    service = make_service(kafka)
    with pytest.raises(psycopg.Error, match=said):
        service.file(**{"subjects": ["1"], **broken})
    assert service.requests() == []


def test_the_same_request_again_is_no_other(make_service, kafka):
    service = make_service(kafka, people=2)
    ids = service.file([1, 2])
    service.file([1, 2], ids=ids)
    assert len(service.requests()) == 1
    for other in (
        {"subjects": [1, 3]},
        {"type_name": "other"},
        {"dry_run": True},
        {"items": ["", "i"]},
    ):
        with pytest.raises(psycopg.errors.UniqueViolation, match="with another content"):
            service.file(**{"subjects": [1, 2], "ids": ids, **other})
    service.scheduler()
    service.start()
    service.wait_done(ids)
    with pytest.raises(psycopg.errors.UniqueViolation, match="for another task"):
        service.file([1], ids=ids[1:])
    assert len(service.requests()) == 1


def test_a_large_request_is_not_urgent(make_service, kafka):
    """Nor is a small one after it."""
    service = make_service(kafka, people=200)
    service.scheduler()
    service.start()
    large = service.file(range(1, 120), "grant", arguments=['{"days": "1"}'] * 119)
    small = service.file([150], "grant", arguments=['{"days": "1"}'])
    service.wait_done(large + small)
    topics = dict(
        service.database.rows(
            "select o.task_id, p.topic from rollcall.outcome_adhoc o join rollcall.position p using"
            " (source_no)"
        )
    )
    assert topics[large[0]] == service.topic("tasks") and topics[small[0]] == service.topic(
        "urgent"
    )


def test_a_killed_scheduler_leaves_nothing_out(make_service, kafka):
    service = make_service(kafka, people=300)
    service.start()
    first = service.scheduler()
    ids = [i for n in range(10) for i in service.file(range(1 + 30 * n, 31 + 30 * n))]
    service.wait(lambda: service.outcome_count(ids) > 0)
    first.kill()
    first.stopped = True
    service.scheduler()
    service.wait_done(ids)
    service.wait(lambda: service.requests("1", "published_at is null") == [])
    assert service.database.value("select count(*) from person where hits <> 1") == 0


def test_what_another_cluster_has_is_published_again(make_service, embedded):
    """A request without outcomes; those that are settled stay."""
    service = make_service(embedded, people=10)
    first = service.scheduler()
    worker = service.start()
    done = service.file([1, 2, 3])
    service.wait_done(done)
    service.wait(lambda: service.requests("1", "settled_at is null") == [])
    service.kill(worker)
    lost = service.file([4, 5, 6])
    service.wait(lambda: service.requests("1", "published_at is null") == [])
    service.database.execute("update rollcall.request set cluster = 'gone'")
    service.kill(first)
    service.scheduler()
    service.wait(lambda: service.requests("cluster <> 'gone'") == [(False,), (True,)])
    service.start()
    service.wait_done(lost)
    assert [service.hits(n) for n in range(1, 8)] == [1, 1, 1, 1, 1, 1, 0]


def test_a_lost_log_is_published_again(make_service, kafka):
    """Only what has no outcome: a follow-up of an ad-hoc task, too."""
    service = make_service(kafka, people=10)
    service.scheduler()
    half = service.start(lanes=["tasks"])  # nobody serves the follow-ups' lanes
    done = service.file(range(1, 6), "enrol")
    service.wait_done(done)
    by_type = (  # a row for each batch
        "select about, origin, sum(n_tasks)::int from rollcall.request group by 1, 2 order by 1"
    )
    assert service.database.rows(by_type) == [
        ("club.enrol", "operator", 5),
        ("club.greet", "rollcall", 5),
        ("club.welcome", "rollcall", 5),
    ]
    service.wait(lambda: service.requests("1", "published_at is null") == [])
    service.kill(half)
    for lane in "urgent", "mail":  # as `topics repair` leaves it when the topic was re-created
        source = service.database.value(
            "insert into rollcall.position (cluster, topic, partition) values ('c', %s, 77)"
            " returning source_no",
            (service.topic(lane),),
        )
        service.database.execute(
            "insert into rollcall.log_gap (source_no, how, position, low, high, found_by) values"
            " (%s, 're-created', 5, 0, 0, 'test')",
            (source,),
        )
    service.database.execute("notify rollcall_run")
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from rollcall.log_gap where repaired_at is null"
            )
            == 0
        )
    )
    service.start()
    service.wait(
        lambda: service.database.value("select count(*) from rollcall.outcome_adhoc") == 20
    )  # each with welcome, greet and its thanks
    welcome = [r["task_id"] for *_, r in service.read("urgent")]
    assert len(welcome) == 10 and len(set(welcome)) == 5, "published twice, done once"
    assert (
        service.database.value("select count(*) from rollcall.outcome_adhoc where outcome <> 0")
        == 0
    )


def test_follow_ups_wait_for_a_scheduler(make_service, kafka):
    """They are owed from the moment their task is done."""
    service = make_service(kafka, people=3)
    service.start()
    from worker_pack import adhoc

    task = adhoc("club.enrol", 1)
    service.send([task])
    service.wait_done([task.id])
    assert service.database.rows(
        "select outcome, reason, follow_ups from rollcall.outcome_adhoc"
    ) == [(0, "", ["club.welcome", "club.greet"])]
    assert service.requests("about, actor, origin, published_at", "origin = 'rollcall'") == [
        ("club.greet", "cli:ana", "rollcall", None),
        ("club.welcome", "cli:ana", "rollcall", None),
    ]
    service.scheduler()
    service.wait(lambda: service.database.value("select count(*) from rollcall.outcome_adhoc") == 4)


def test_many_single_requests_beside_a_run(make_service, kafka):
    """None waits for the run's publication."""
    service = make_service(
        kafka, people=100_000, scheduler='lease = "5s"; tick = "200ms"; chunk = 5000;'
    )
    service.scheduler()
    service.start(lanes=["tasks"])
    service.start(lanes=["urgent"])
    service.timed(1, type_name="welcome")
    run = service.ask("sweep")
    service.wait(lambda: service.state(run) in ("planned", "published"))
    waits = sorted(service.timed(n, type_name="welcome") for n in range(2, 60))
    assert waits[len(waits) // 2] < 0.5, waits
    assert service.database.value("select count(*) from rollcall.outcome_adhoc") == 59


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_many_tasks_are_done_soon(make_service, kafka, size):
    """However they were requested. The bound is far above what it takes: a plan that compares
    each with each takes minutes.
    """
    service = make_service(kafka, people=20_000)
    service.scheduler()
    service.start()
    with psycopg.connect(service.database.conninfo) as db:
        db.execute(
            "select count(rollcall.request_tasks('club.bump', false, null, ids, subjects, null,"
            " null)) from (select array_agg(gen_random_uuid()) as ids, array_agg(n::text) as"
            " subjects from generate_series(1, 20000) n group by (n - 1) / %s) x",
            (size,),
        )
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome_adhoc where outcome = 0")
            == 20_000
        ),
        90,
    )
    assert service.database.value("select count(*) from person where hits <> 1") == 0


def test_a_file_is_waited_for_row_by_row(make_service, kafka, tmp_path):
    """Over several windows; each row's line once, with its own outcome."""
    import subprocess

    from harness.paths import program

    service = make_service(kafka, people=12_000)
    service.database.execute("update person set active = false where id % 1000 = 0")
    service.scheduler()
    service.start()
    path = tmp_path / "people.csv"
    path.write_text("subject\n" + "".join(f"{n}\n" for n in range(1, 12_001)))
    done = subprocess.run(
        [
            program("rollcall"),
            "-c",
            service.config,
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


def test_an_id_is_of_one_task(make_service, broker):
    """Another task under a known id is a dead letter with this reason; the very same is nothing. In
    one batch as in two.
    """
    service = make_service(broker, people=5)
    worker = service.start()
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
    service.send([task, task], "urgent")
    service.wait_done([task.id])
    service.send([task, *changed, task], "urgent")
    said = f"the task id {task.id} was used before, for another task"
    service.wait(lambda: len(service.database.rows("select 1 from rollcall.dead_letter")) == 5)
    assert {r for (r,) in service.database.rows("select reason from rollcall.dead_letter")} == {
        said
    }
    service.wait(lambda: len(service.letters()) == 5)
    both = [adhoc("club.bump", n, uuid.UUID(int=77)) for n in (3, 4)]
    service.stop(worker)
    service.send(both)
    service.start()
    service.wait(
        lambda: (
            service.database.value(
                "select count(*) from rollcall.dead_letter where reason like '%0000004d was used"
                " before%'"
            )
            == 1
        )
    )
    assert service.database.value("select count(*) from rollcall.outcome_adhoc") == 2
    assert (
        sum(service.hits(n) for n in (3, 4)) == 1
        and service.database.value("select count(*) from journal where type = 'grant'") == 1
    )


def test_the_tool_says_that_no_scheduler_is_there(make_service, kafka):
    service = make_service(kafka, people=1)
    import subprocess

    from harness.paths import program

    done = subprocess.run(
        [
            program("rollcall"),
            "-c",
            service.config,
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
    service.scheduler()
    service.start()
    service.wait(lambda: service.hits(1) == 1)

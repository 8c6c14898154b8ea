# SPDX-License-Identifier: Apache-2.0
"""The operator's tool on tasks, results, reports, and the packs' own commands."""

import io
import json
import os
import pty
import re
import subprocess
import threading
import time
import uuid
from pathlib import Path

import fastavro
import pytest
from cli_pack import PACK_CFG
from cli_service import (
    UNREACHABLE,
    make_run,
    offline,
    online,
    published,
    running,
    service,
)  # noqa: F401
from harness.paths import REPO, program


# ---- tasks ----
@pytest.mark.parametrize(
    "args, code, said",
    [
        (["--type", "nope", "--subject", "1"], 5, "there is no task type"),
        (["--type", "promote"], 2, "--subject or --csv is missing"),
        (
            ["--type", "promote", "--subject", "ana", "--set", "new_level=gold"],
            2,
            "which guild.promote takes",
        ),
        (["--type", "promote", "--subject", "1"], 2, "argument new_level is missing"),
        (["--type", "promote", "--subject", "1", "--set", "new_level=iron"], 2, "new_level"),
        (["--type", "promote", "--subject", "1", "--set", "colour=red"], 2, 'no argument "colour"'),
        (["--type", "promote", "--subject", "1", "--set", "new_level"], 2, "name=value"),
        (
            ["--type", "promote", "--subject", "1", "--set", "new_level=gold", "--id", "7"],
            2,
            "a UUID",
        ),
        (["--type", "promote", "--csv", "/nonexistent.csv"], 5, "nonexistent"),
        (["--type", "promote", "--csv", "x", "--subject", "1"], 2, "leave --subject"),
    ],
)
def test_tasks_submit_refuses_bad_requests(service, args, code, said):
    service.rollcall("tasks", "submit", *args, code=code)
    assert said in service.err


def on_lane(service, kafka, lane, count):
    """The first `count` values on a lane, by key."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": "test",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    topic, found = f"{service.prefix}.{lane}", []
    try:
        consumer.assign([TopicPartition(topic, p, 0) for p in range(service.partitions)])
        end = time.monotonic() + 30
        while len(found) < count and time.monotonic() < end:
            for m in consumer.consume(1000, 0.2):
                assert not m.error()
                found.append((m.key(), m.value(), dict(m.headers() or [])))
        assert len(found) == count and not consumer.consume(1, 0.5)
    finally:
        consumer.close()
    return found


def test_tasks_submit_publishes(published, kafka):
    task_id = str(uuid.uuid4())
    asked = published.json(
        "tasks",
        "submit",
        "--type",
        "promote",
        "--subject",
        "1",
        "--set",
        "new-level=gold",
        "--id",
        task_id,
    )
    assert asked == {"task_id": task_id, "type": "guild.promote", "subject": "1", "dry_run": False}
    [(key, value, headers)] = on_lane(published, kafka, "tasks.urgent", 1)
    tried = str(uuid.uuid4())
    ids = [
        published.json(
            "tasks", "submit", "--type", "lapse", "--subject", "1", "--id", tried, *more
        )["task_id"]
        for more in (["--dry-run"], [])
    ]
    assert ids[1] == tried != ids[0], "a dry run's id is its own"
    published.rollcall(
        "tasks", "submit", "--type", "lapse", "--subject", "2", "--id", tried, code=7
    )
    assert "with another content" in published.err
    assert (
        key == b"1"
        and b"guild.promote" in value
        and b"gold" in value
        and headers["ce_type"].startswith(b"rollcall.task")
    )
    published.rollcall(
        "tasks",
        "submit",
        "--type",
        "lapse",
        "--subject",
        "1",
        "--wait",
        "--timeout",
        "300ms",
        code=6,
    )
    assert "no outcome" in published.err and '"tasks"' in published.err


CSV = (
    'subject,new_level,days\r\n1,gold,5\r\n"2","gold",\r\nthree,gold,5\r\n3,iron,5\r\n'
    '4,gold\r\n5,"gold,6\r\n'
)


def test_csv_submits_good_rows_and_reports_bad_ones(published, kafka, tmp_path):
    online = published
    (tmp_path / "f.csv").write_text(CSV)
    lines = online.lines(
        "tasks", "submit", "--type", "promote", "--csv", tmp_path / "f.csv", code=1
    )
    assert lines[-1] == {"submitted": 2, "already": 0, "rejected": 4, "asked_for_at": None}
    assert [line["line"] for line in lines[:-1]] == [4, 5, 6, 7]
    assert (
        "which guild.promote takes" in lines[0]["reason"]
        and "has 2 fields" in lines[2]["reason"]
        and "not closed" in lines[3]["reason"]
    )
    first = on_lane(online, kafka, "tasks.urgent", 2)
    assert sorted(k for k, _, _ in first) == [b"1", b"2"]
    again = online.rollcall("tasks", "submit", "--type", "promote", "--csv", "-", text=CSV, code=1)
    assert re.search(
        r"0 submitted, 2 requested already on 20\d\d-.* and not done again, 4 rejected", again
    )
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(CSV,))
    writer.start()
    piped = online.lines("tasks", "submit", "--type", "promote", "--csv", pipe, code=1)
    writer.join()
    assert (piped[-1]["submitted"], piped[-1]["already"], piped[-1]["rejected"]) == (0, 2, 4)
    online.rollcall(
        "tasks", "submit", "--type", "promote", "--csv", "-", "--dry-run", text=CSV, code=1
    )
    assert len({h["ce_id"] for _, _, h in on_lane(online, kafka, "tasks.urgent", 4)}) == 4, (
        "a dry run is another request"
    )
    listed = online.json("requests", "list")
    assert [(q["kind"], q["actor"], q["about"], q["n_tasks"], q["dry_run"]) for q in listed] == [
        ("tasks", "rollcall", "guild.promote", 2, dry_run) for dry_run in (True, False)
    ]
    for said in "2 submitted, 4 rejected", "0 submitted, 2 requested already":
        assert said in online.rollcall(
            "tasks", "submit", "--type", "promote", "--csv", "-", "--again", "may", text=CSV, code=1
        )


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "empty"),
        ("id,new_level\n1,gold\n", 'column "id"'),
        ("new_level\ngold\n", '"subject"'),
        ("subject,subject\n1,1\n", "stands twice"),
    ],
)
def test_csv_with_a_bad_first_line(online, text, said):
    online.rollcall("tasks", "submit", "--type", "promote", "--csv", "-", text=text, code=2)
    assert said in online.err


def test_csv_of_many_rows_in_flat_memory(online, tmp_path):
    if b"__asan_init" in Path(program("rollcall")).read_bytes():
        pytest.skip("the address sanitizer keeps freed memory")
    path, peak = tmp_path / "many.csv", {}
    for rows in (2_000, 100_000):
        path.write_text("subject,new_level\n" + "".join(f"{i},gold\n" for i in range(1, rows + 1)))
        with open(tmp_path / "out", "w") as out:
            child = subprocess.Popen(
                [
                    program("rollcall"),
                    "-c",
                    str(online.file),
                    "tasks",
                    "submit",
                    "--type",
                    "promote",
                    "--csv",
                    str(path),
                    "--json",
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
            )
            peak[rows] = 0
            while child.poll() is None:
                peak[rows] = max(peak[rows], high_water(child.pid))
                time.sleep(0.005)
        assert (
            child.returncode == 0
            and json.loads((tmp_path / "out").read_text())["submitted"] == rows
        )
    assert 0 < peak[100_000] < 64 * 1024 * 1024 and peak[100_000] - peak[2_000] < 32 * 1024 * 1024


def high_water(pid):
    """The most memory that the process has had, in bytes; 0 when it has ended."""
    try:
        return (
            int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()).group(1))
            * 1024
        )
    except (AttributeError, OSError):
        return 0


# ---- results, dead letters, reports, status ----
def test_results_tail_of_an_empty_topic(online):
    assert online.rollcall("results", "tail") == ""
    online.rollcall("results", "tail", "--from", "yesterday", code=2)
    online.rollcall("results", "tail", "--run", "nightly", code=5)


def events(*changes):
    """Outcome events as another make of Avro writes them."""
    schema = json.loads((REPO / "schemas/outcome.avsc").read_text())
    mark = bytes.fromhex(
        fastavro.schema.fingerprint(
            fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO"
        )
    )
    schema["fields"][0]["type"].pop("logicalType")
    for n, change in enumerate(changes):
        event = {
            "event_id": uuid.uuid4().bytes,
            "task_id": uuid.uuid4().bytes,
            "run_id": None,
            "pack": "guild",
            "job": "",
            "type": "guild.promote",
            "subject": "1",
            "item": "",
            "outcome": "applied",
            "reason": "",
            "before": "basic",
            "after": None,
            "at": 1_767_225_600_000_000 + n * 3_600_000_000,
            "dry_run": False,
            "actor": "cli:eva",
            "attempt": 1,
            "source_topic": "t",
            "source_partition": 0,
            "source_offset": n,
            "sequence": n + 1,
            **change,
        }
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema), event)
        yield event["subject"], b"\xc3\x01" + mark + out.getvalue()


def test_results_tail(online, kafka):
    from confluent_kafka import Producer

    run_id = uuid.uuid4()
    producer = Producer({"bootstrap.servers": kafka.bootstrap})

    def produce(*messages):
        for key, value in messages:
            producer.produce(f"{online.prefix}.results", value, key)
        assert producer.flush(20) == 0

    produce(
        *events(
            {},
            {
                "subject": "2",
                "run_id": run_id.bytes,
                "job": "nightly",
                "outcome": "failed",
                "reason": "é",
            },
            {"subject": "3"},
        ),
        ("x", b"rubbish"),
    )

    seen = [json.loads(line) for line in online.rollcall("results", "tail").splitlines()]
    assert (
        sorted(e["subject"] for e in seen) == ["1", "2", "3"]
        and "rubbish" not in online.err
        and "offset" in online.err
    )
    failed = next(e for e in seen if e["subject"] == "2")
    assert (failed["run_id"], failed["outcome"], failed["reason"], failed["at"]) == (
        str(run_id),
        "failed",
        "é",
        "2026-01-01T01:00:00Z",
    )
    assert (failed["before"], failed["after"], failed["sequence"], failed["source_topic"]) == (
        "basic",
        None,
        2,
        "t",
    )
    assert next(e for e in seen if e["subject"] == "1")["run_id"] is None
    assert [
        json.loads(line)["subject"]
        for line in online.rollcall("results", "tail", "--run", str(run_id)).splitlines()
    ] == ["2"]
    assert [
        json.loads(line)["subject"]
        for line in online.rollcall(
            "results", "tail", "--from", "2026-01-01T02:00:00Z"
        ).splitlines()
    ] == ["3"]
    assert len(online.rollcall("results", "tail", "--count", "2").splitlines()) == 2
    assert online.rollcall("results", "tail", "--from", "end") == ""

    follow = subprocess.Popen(
        [
            program("rollcall"),
            "-c",
            str(online.file),
            "results",
            "tail",
            "--follow",
            "--count",
            "1",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while (
        follow.poll() is None and time.monotonic() < end
    ):  # what comes before it has joined is not new to it
        produce(*events({"subject": "4"}))
        time.sleep(0.5)
    assert (
        json.loads(follow.communicate(timeout=20)[0])["subject"] == "4" and follow.returncode == 0
    )


def test_dead_letters_are_listed_with_place_and_reason(service, database):
    database.execute(
        "insert into rollcall.position (cluster, topic, partition) values ('c', 't.tasks', 3);"
        " insert into rollcall.dead_letter (source_no, src_offset, sequence, reason, key, value)"
        " select source_no, 42, 1, 'not Avro', '1', '\\x00ff' from rollcall.position"
    )
    [letter] = service.json("dead-letters", "list")
    assert (
        letter["topic"],
        letter["partition"],
        letter["offset"],
        letter["reason"],
        letter["value"],
    ) == ("t.tasks", 3, 42, "not Avro", "AP8=")
    assert "not Avro" in service.rollcall("dead-letters", "list")


def test_reports(service, tmp_path):
    assert "guild.levels" in service.rollcall("report")
    assert service.json("report")[0]["name"] == "levels"
    expected = {"levels": [{"level": "basic", "members": 3}]}
    assert json.loads(service.rollcall("report", "levels", "--format", "json")) == expected
    assert service.json("report", "levels") == expected
    assert "LEVELS" in service.rollcall("report", "levels")
    assert service.json("report", "guild.levels", "--at-least", "4") == {"levels": None}
    service.rollcall(
        "report", "levels", "--format", "csv", "--output-file", tmp_path / "out" / "levels.csv"
    )
    assert "basic" in (tmp_path / "out" / "levels.csv").read_text()
    service.rollcall("report", "levels", "--at-least", "1000", code=2)
    service.rollcall("report", "levels", "--format", "pdf", code=2)
    service.rollcall("report", "nope", code=5)
    assert "--at-least" in service.rollcall("report", "levels", "--help")


def produce(service, bootstrap, lane):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(f"{service.prefix}.{lane}", b"x", b"1")
    assert producer.flush(20) == 0


def test_status_shows_runs_leader_lanes_and_reports(online, database, kafka):
    make_run(database, "published", outcomes=[("1", 0, "")], planned=2)
    database.execute(
        "insert into rollcall.lease values ('scheduler', 'host:1', 1, now() + interval '1 minute')"
    )
    for i in range(7):
        (online.reports / f"r{i}.csv").write_text("x")
        os.utime(online.reports / f"r{i}.csv", (1_700_000_000 + i, 1_700_000_000 + i))
    produce(online, kafka.bootstrap, "tasks")
    page = online.json("status", code=1)
    assert [t["what"] for t in page["troubles"]] == ["no worker: tasks"]
    assert {j["job"] for j in page["jobs"]} == {"nightly", "reminders", "by-hand"}
    assert next(j for j in page["jobs"] if j["job"] == "nightly")["state"] == "published"
    assert [(r["done"], r["planned"]) for r in page["open_runs"]] == [(1, 2)]
    assert [os.path.basename(r["path"]) for r in page["reports"]] == [
        "r6.csv",
        "r5.csv",
        "r4.csv",
        "r3.csv",
        "r2.csv",
    ]
    assert page["leader"][0]["holder"] == "host:1"
    assert {lane["lane"]: lane["waiting"] for lane in page["lanes"]} == {
        "jobs": 0,
        "tasks": 1,
        "urgent": 0,
        "mail": 0,
        "results": 0,
    }
    assert page["packs"] == {"guild": {"members": 3}}
    text = online.rollcall("status", code=1)
    assert (
        "GUILD NOW" in text
        and "host:1 leads" in text
        and "r6.csv" in text
        and "guild.nightly" in text
    )


def test_status_without_kafka(service):
    text = service.rollcall("status", code=4)
    assert "guild.nightly" in text and "None is running" in text


def test_status_before_the_topics_are_made(online):
    online.file.write_text(
        online.file.read_text().replace(
            f'prefix = "{online.prefix}"', f'prefix = "{online.prefix}-2"'
        )
    )
    online.rollcall("db", "apply", "--new-prefix")
    assert [lane["exists"] for lane in online.json("status", code=1)["lanes"]] == [False] * 5


def test_status_on_the_embedded_broker(service, embedded):
    """A broker that has died is no empty lane."""
    service.file.write_text(
        service.file.read_text().replace(
            f'brokers = "{UNREACHABLE}"', f'embedded = "{embedded.file}"'
        )
    )
    service.rollcall("topics", "apply")
    produce(service, embedded.bootstrap, "tasks")
    page = service.json("status", code=1)
    assert {lane["lane"]: lane["waiting"] for lane in page["lanes"]} == {
        "jobs": 0,
        "tasks": 1,
        "urgent": 0,
        "mail": 0,
        "results": 0,
    }
    embedded.process.kill()
    assert (
        "guild.nightly" in service.rollcall("status", code=4) and "embedded broker" in service.err
    )


def test_totals_are_read(service, database):
    run = uuid.uuid4()
    database.execute(
        "insert into rollcall.run_total values (%s, 'guild', 'nightly', false, 5, 1, 0, 0, 0,"
        " now(), now()), (%s, 'guild', 'nightly', true, 0, 2, 0, 0, 0, now(), now()), (%s, '', '',"
        " false, 3, 0, 0, 0, 0, now(), now()), (%s, '', '', true, 4, 0, 0, 0, 0, now(), now())",
        (run, run, uuid.UUID(int=0), uuid.UUID(int=0)),
    )
    database.execute(
        "insert into rollcall.day_total select (now() at time zone 'UTC')::date - d, 'guild.lapse',"
        " d = 1, 1, 'not eligible', 7 + d from unnest(array[0, 1, 40]) d"
    )
    lines = [
        line.split() for line in service.rollcall("results", "totals", "--by", "run").splitlines()
    ]
    assert lines[1][:3] == ["ad-hoc", "tasks", "3"] and lines[2][:4] == [
        "ad-hoc",
        "tasks",
        "yes",
        "4",
    ]
    assert lines[3][:4] == [str(run), "guild.nightly", "5", "1"] and lines[4][:5] == [
        str(run),
        "guild.nightly",
        "yes",
        "0",
        "2",
    ]
    assert [(d["count"], d["dry_run"]) for d in service.json("results", "totals")] == [
        (7, False),
        (8, True),
    ]
    assert [d["count"] for d in service.json("results", "totals", "--days", "50")] == [7, 8, 47]
    service.rollcall("results", "totals", "--by", "week", code=2)
    service.rollcall("results", "totals", "--days", "0", code=2)


# ---- the packs' own commands ----
def test_pack_command_shows_state_and_proposal(running, database):
    text = running.rollcall("promote", "ana", "--new-level", "gold", "--dry-run")
    assert (
        re.search(r"level +basic", text)
        and "Proposal: applied: promoted for 10 days (basic → gold)" in text
    )
    tried = running.json("promote", "ana", "--new-level", "gold", "--days", "20", "--dry-run")
    assert tried["subject"] == "1" and tried["current"]["name"] == "ana" and tried["result"] is None
    assert (tried["proposal"]["outcome"], tried["proposal"]["reason"]) == (
        "applied",
        "promoted for 20 days",
    )
    assert database.value("select level from member where id = 1") == "basic"


def test_pack_command_refusals(running, database):
    running.rollcall("promote", "nobody", "--new-level", "gold", code=5)
    assert 'there is no MEMBER "nobody"' in running.err
    running.rollcall("promote", "ana", code=2)
    assert "--new-level" in running.err
    running.rollcall("promote", "ana", "--new-level", "gold", "--days", "1000", code=2)
    running.rollcall("promote", "ana", "--new-level", "basic", "--yes", code=7)
    running.rollcall("promote", "ana", "--new-level", "gold", code=7)
    assert "needs a terminal" in running.err
    database.execute("update member set is_staff = true where id = 1")
    assert "is staff" in running.rollcall(
        "promote", "ana", "--new-level", "gold", "--dry-run", code=7
    )
    running.rollcall("promote", "ana", "--new-level", "gold", "--force", "--dry-run")


def test_csv_tells_what_was_and_what_is_done(running, database):
    csv = "subject,new_level,days\n1,gold,5\n2,gold,5\n"

    def submit(*more, **how):
        return running.rollcall(
            "tasks", "submit", "--type", "promote", "--csv", "-", "--wait", *more, text=csv, **how
        )

    tried = submit("--dry-run")
    assert (
        "line 2: 1: applied: promoted for 5 days (basic → gold)" in tried and "already" not in tried
    )
    assert database.value("select level from member where id = 1") == "basic"
    assert "line 2: 1: applied: promoted for 5 days (basic → gold)" in submit("--yes")
    database.execute("update member set level = 'basic' where id = 1")
    again = submit("--yes")
    assert re.search(
        r"line 2: 1: already done on 20\d\d-\S+.*: applied: promoted for 5 days \(basic → gold\)",
        again,
    ), again
    assert (
        "0 submitted, 2 requested already on" in again
        and database.value("select level from member where id = 1") == "basic"
    )
    assert [
        line.get("already") for line in map(json.loads, submit("--yes", "--json").splitlines())
    ][:2] == [True, True]
    assert "already" not in submit("--yes", "--again", "may", code=7)


def test_waiting_compares_what_was_done(running, database):
    """A service may have used the id for another task meanwhile."""
    used = str(uuid.uuid4())
    database.execute(
        "insert into rollcall.outcome (day, run_no, type_no, source_no, src_offset, sequence,"
        " outcome, subject, task_id) select '-infinity', 0, type_no, 0, 0, 1, 0, '2', %s from"
        " rollcall.task_type where name = 'guild.lapse'",
        (used,),
    )
    running.rollcall(
        "tasks",
        "submit",
        "--type",
        "lapse",
        "--subject",
        "1",
        "--id",
        used,
        "--wait",
        "--yes",
        code=7,
    )
    assert "was used before, for another task" in running.err


@pytest.mark.parametrize("answer", ["n", "", "maybe"])
def test_pack_command_asks_on_a_terminal(running, answer):
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [program("rollcall"), "-c", str(running.file), "promote", "ana", "--new-level", "gold"],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(master, f"{answer}\n".encode())
    out, err = child.communicate(timeout=60)
    os.close(master)
    os.close(slave)
    assert (
        child.returncode == 7
        and "Do it? [y/N]" in err
        and "nothing was done" in err
        and "Proposal: applied" in out
    )


def test_pack_command_help_and_names(running):
    out = running.rollcall("promote", "--help")
    assert (
        "MEMBER" in out and "--new-level" in out and "the new level" in out and "(required)" in out
    )
    assert running.json("commands")[0]["name"] == "promote"
    running.rollcall("guild", "promote", "ana", "--new-level", "gold", "--dry-run")
    running.rollcall("guild:promote", "ana", "--new-level", "gold", "--dry-run")
    running.add_pack("club", PACK_CFG.replace('name = "guild"', 'name = "club"'))
    running.rollcall("promote", "ana", "--new-level", "gold", "--dry-run", code=2)
    assert "several packs" in running.err
    running.rollcall("club", "promote", "--help")
    running.rollcall("dance", code=2)
    assert "no command" in running.err


def test_pack_command_waits_for_the_outcome(online):
    online.rollcall("promote", "ana", "--new-level", "gold", "--yes", "--timeout", "300ms", code=6)
    assert "no outcome of task" in online.err

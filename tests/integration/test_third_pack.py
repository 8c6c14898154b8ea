# SPDX-License-Identifier: Apache-2.0
"""A third organisation without a line of C: the pack that docs/packs.md makes from nothing, run
by the real programs on both brokers.
"""

import io
import json
import re
from datetime import UTC, datetime, timedelta, timezone

import fastavro
import pytest
from confluent_kafka import Consumer, TopicPartition
from fastavro.schema import fingerprint, to_parsing_canonical_form
from harness.paths import REPO
from harness.system import System, body

NOW = datetime.now(UTC)
TABLE = (
    "create table member (id bigint primary key, name text, email text, card text, renewed_at"
    " timestamptz)"
)


def pack_of_the_page(folder):
    name, content = None, None
    for line in (REPO / "docs/packs.md").read_text().splitlines():
        if content is None:
            named = re.search(r"`library/([\w./-]+)`", line)
            name = named[1] if named else name
            content = [] if line.startswith("```") else None
        elif line.startswith("```"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("\n".join(content))
            content = None
        else:
            content.append(line)
    return folder


@pytest.fixture
def library(database, broker, unique, tmp_path):
    pack = pack_of_the_page(tmp_path / "library")
    system = System(
        tmp_path,
        database,
        broker,
        unique("library"),
        {pack: 'jobs = ( { name = "lapse-cards"; suspend = true; } );'},
        tables=[TABLE],
    )
    for row in [
        (1, "Rui & Sons", "rui@example.com", 366),
        (2, "Eva", "", 900),
        (3, "Ida", "ida@example.com", 10),
    ]:
        database.execute(
            "insert into member values (%s, %s, %s, 'valid', %s)",
            [*row[:3], NOW - timedelta(days=row[3])],
        )
    yield system
    system.close()


def decoded(system):
    """Every message of every topic, by a reader of another make: topic -> [(headers, record)]."""
    schemas = {}
    for name in ("task", "outcome", "run", "dead-letter"):
        text = json.loads((REPO / f"schemas/{name}.avsc").read_text())
        schemas[bytes.fromhex(fingerprint(to_parsing_canonical_form(text), "CRC-64-AVRO"))] = (
            fastavro.parse_schema(text)
        )
    consumer = Consumer(
        {"bootstrap.servers": system.bootstrap, "group.id": "reader", "enable.auto.commit": False}
    )
    listed = consumer.list_topics(timeout=10).topics
    places = [
        TopicPartition(t, p, 0)
        for t in listed
        if t.startswith(system.prefix + ".")
        for p in listed[t].partitions
    ]
    left = sum(consumer.get_watermark_offsets(p, timeout=10)[1] for p in places)
    found = {p.topic[len(system.prefix) + 1 :]: [] for p in places}
    consumer.assign(places)
    for _ in range(left):
        message = consumer.poll(10)
        value = message.value()
        assert value[:2] == b"\xc3\x01"
        record = fastavro.schemaless_reader(io.BytesIO(value[10:]), schemas[value[2:10]])
        found[message.topic()[len(system.prefix) + 1 :]].append(
            ({k: v.decode() for k, v in message.headers()}, record)
        )
    consumer.close()
    return found


def test_a_third_pack_works_from_check_to_mail(library):
    assert "0 failed" in library.cli("check", ok=(0, 1)).splitlines()[-1]
    shown = library.run("library.lapse-cards", ok=(1,))
    assert (shown["planned"], shown["applied"], shown["failed"], shown["spawned"]) == (4, 3, 1, 2)
    assert shown["complete"] and shown["digest_matches"]
    assert library.database.rows("select id, card from member order by id") == [
        (1, "lapsed"),
        (2, "lapsed"),
        (3, "valid"),
    ]
    (mail,) = library.mails()
    assert (
        body(mail).strip() == "Dear Rui & Sons, your card has lapsed. Please renew it at the desk."
    )
    library.cli("renew", "1", "--reason", "at the desk", "--yes")
    assert library.database.value("select card from member where id = 1") == "valid"
    assert library.report("cards") == {"valid": 2, "lapsed": 1}
    library.cli(
        "tasks",
        "submit",
        "--type",
        "library.renew",
        "--subject",
        "2",
        "--set",
        "reason=by a service",
        "--wait",
        "--yes",
    )
    library.wait(
        "the audit events",
        lambda: (
            library.database.value("select coalesce(sum(applied), 0) from rollcall.run_total") >= 5
        ),
    )

    topics = decoded(library)
    tasks = [r for name in ("tasks", "tasks.mail", "tasks.urgent") for _, r in topics[name]]
    events = [r for _, r in topics["results"]]
    assert {r["task_id"] for r in tasks} == {r["task_id"] for r in events}
    assert (
        len({r["event_id"] for r in events}) == len(events) == len(tasks) == 7
    )  # six, and the proposal of `renew 1`
    assert [r["subject"] for r in events if r["dry_run"]] == ["1"]
    assert {r["state"] for _, r in topics["jobs"]} == {
        "planned",
        "published",
        "completed with errors",
    } and topics["dead-letters"] == []
    for messages in topics.values():
        for headers, record in messages:
            own = record.get("event_id") or record["task_id"]
            assert (
                headers["ce_specversion"] == "1.0"
                and headers["ce_id"].replace("-", "") == own.hex()
                and headers["ce_type"].startswith("rollcall.")
            )
            assert headers["ce_source"].startswith("/rollcall/")
            if not record.get("run_id") or "state" in record:
                assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
            else:
                assert len(headers) == 4

# SPDX-License-Identifier: Apache-2.0
"""What other services request, each through a topic of its own: taken exactly once, stamped with
who may write there, or refused with an answer.
"""

import http.server
import json
import re
import struct
import threading
import time
import uuid
from collections import Counter

import fastavro
import pytest
from harness.paths import REPO
from harness.process import free_port
from test_paused import tool
from worker_pack import LETTER_MARK, NOON, TASK, TASK_MARK, Run, Task, adhoc, encode
from worker_service import make_service  # noqa: F401

EVENT_SPACE = uuid.UUID("7e498cd6-7434-4ab6-a52f-2f26fd1480d8")  # docs/messages.md
GRANT = {"days": "7"}


def intake(*services):
    return (
        "intake = (\n"
        + ",\n".join(
            f'  {{ service = "{name}"; types = [ {", ".join(chr(34) + t + chr(34) for t in types)}'
            f" ]; {limits} }}"
            for name, types, limits in services
        )
        + "\n);"
    )


HR = intake(
    ("hr-portal", ["club.grant", "club.bump"], "rate = 100000; open_max = 100000;"),
    ("other", ["club.bump"], "rate = 100000; open_max = 100000;"),
)


def put(service, value, sender="hr-portal", key=b"k", headers=None, partition=-1):
    service.producer.produce(
        f"{service.prefix}.intake.{sender}", value, key, headers=headers or [], partition=partition
    )
    service.producer.poll(0)


def put_tasks(service, tasks, sender="hr-portal"):
    for t in tasks:
        put(service, t.bytes, sender, t.subject.encode())
    assert service.producer.flush(60) == 0


def taken(service, sender="hr-portal"):
    return service.database.value(
        "select coalesce(sum(next), 0) from rollcall.position where topic = %s",
        (f"{service.prefix}.intake.{sender}",),
    )


def filed(service):
    """{task id: (actor, type, subject, item, arguments, dry run)} of the requests."""
    return {
        r[0]: r[1:]
        for r in service.database.rows(
            "select u.id, r.actor, t.name, u.subject, u.item, u.arguments::jsonb, r.dry_run from"
            " rollcall.request r join rollcall.task_type t using (type_no), unnest(r.task_ids,"
            " r.subjects, r.items, r.arguments) as u(id, subject, item, arguments) where r.kind ="
            " 'tasks' and r.origin = 'service' and r.about = t.name"
        )
    }


def structured(**event):
    whole = {
        "specversion": "1.0",
        "id": "8812",
        "source": "/hr",
        "type": "club.grant",
        "subject": "5",
        "data": {"arguments": GRANT},
        **event,
    }
    return json.dumps({k: v for k, v in whole.items() if v is not None}).encode()


STRUCTURED = [("content-type", b"application/cloudevents+json; charset=utf-8")]


def binary(**changed):
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "8813",
        "ce_source": "/hr",
        "ce_type": "club.grant",
        "ce_subject": "6",
        "content-type": "application/json",
        **changed,
    }
    return [(k, v.encode()) for k, v in headers.items() if v is not None]


def derived(event_id, source="/hr", sender="hr-portal"):
    return uuid.uuid5(EVENT_SPACE, "\0".join((sender, source, event_id)))


def test_every_form_is_taken(make_service, broker):
    """Avro, CloudEvents structured and binary; the actor is the service, whatever the message
    says; ids are the sender's or made of its own.
    """
    service = make_service(broker, people=20, more=HR, lanes='[ "intake" ]')
    service.start()
    avro = adhoc("club.grant", 4, item="x", days="7", level="gold")._replace(actor="root")
    own, tried = uuid.uuid4(), adhoc("club.bump", 9, dry_run=True)
    put(service, avro.bytes)
    put(service, tried.bytes)
    put(service, structured(), headers=STRUCTURED)
    put(
        service,
        structured(
            id=str(own),
            subject=None,
            data={
                "subject": 11,
                "type": "club.grant",
                "item": "",
                "arguments": {"days": 7, "level": "basic"},
            },
        ),
    )
    put(service, json.dumps({"arguments": GRANT}).encode(), headers=binary())
    put(
        service,
        json.dumps({"subject": "12", "dry_run": True}).encode(),
        headers=binary(ce_id="ç", ce_type="club.bump", ce_source="urn:x"),
    )
    put(service, adhoc("club.bump", 3).bytes, "other")
    assert service.producer.flush(20) == 0
    service.wait(lambda: taken(service) == 6 and taken(service, "other") == 1)
    found = filed(service)
    assert found.pop(avro.id) == (
        "hr-portal",
        "club.grant",
        "4",
        "x",
        {"days": "7", "level": "gold"},
        False,
    )
    assert found.pop(tried.id) == ("hr-portal", "club.bump", "9", "", {}, True)
    assert found.pop(derived("8812")) == ("hr-portal", "club.grant", "5", "", GRANT, False)
    assert found.pop(own) == (
        "hr-portal",
        "club.grant",
        "11",
        "",
        {"days": "7", "level": "basic"},
        False,
    )
    assert found.pop(derived("8813")) == ("hr-portal", "club.grant", "6", "", GRANT, False)
    assert found.pop(derived("ç", "urn:x")) == ("hr-portal", "club.bump", "12", "", {}, True)
    assert [v[:3] for v in found.values()] == [("other", "club.bump", "3")]
    assert not service.database.rows(
        "select * from rollcall.dead_letter"
    ) and not service.database.rows("select * from rollcall.outcome")
    service.stop_all()


def refusals():
    """(value, headers, the answer's task id or None, what is reported)."""
    ok = adhoc("club.grant", 5, days="7")
    run = uuid.uuid4()
    given = []

    def avro(task, said):
        given.append((task.bytes, [], task.id, said))

    def event(said, headers=STRUCTURED, answered=True, **changed):
        name = f"e{len(given)}"
        given.append(
            (structured(id=name, **changed), headers, derived(name) if answered else None, said)
        )

    def data(said, **fields):
        event(said, data={"arguments": GRANT, **fields})

    avro(adhoc("club.gate", 5), "the service hr-portal may not request club.gate")
    avro(adhoc("club.nothing", 5), "the service hr-portal may not request club.nothing")
    avro(adhoc("club.grant", 5, days="0"), "days")
    avro(adhoc("club.grant", 5), "argument days is missing")
    avro(adhoc("club.grant", 5, days="7", colour="red"), 'no argument "colour"')
    avro(adhoc("club.grant", "07", days="7"), "not written as PostgreSQL writes it")
    avro(Task(uuid.uuid4(), run, "club.grant", "5", "", False, "x", {"days": "7"}), "names a run")
    event("may not request club.gate", type="club.gate")
    data('data has a field "days"', days=7)
    data("argument days is a number with a fraction", arguments={"days": 7.5})
    data("argument days is a number with a fraction", arguments={"days": 1e2})
    data("argument days is null", arguments={"days": None})
    data("argument days is not one value", arguments={"days": [7]})
    data("dry_run is not true or false", dry_run="yes")
    data("subject is not one value", subject={"id": 5})
    given += [
        (None, [], None, "no value"),
        (b"", [], None, "Avro single-object"),
        (b"hello", [], None, "Avro single-object"),
        (ok.bytes[:-1], [], None, "."),
        (LETTER_MARK + ok.bytes[10:], [], None, "."),
        (b"\0\0\0\0\7" + ok.bytes[10:], [], None, "schema id 7"),
        (b"{", STRUCTURED, None, "JSON: line 1, column 1: it ends too early"),
        (b"[]", STRUCTURED, None, "expected an object"),
        (b'{"a":1,"a":2}', STRUCTURED, None, "given twice"),
        (b'{"a":"\\u0000"}', STRUCTURED, None, r"U\+0000"),
        (b'{"a":"\xff"}', STRUCTURED, None, "not UTF-8"),
        (b'{"a":' + b"[" * 5000, STRUCTURED, None, "nested more than 8"),
        (b'{"a":[' + b"0," * 2000 + b"0]}", STRUCTURED, None, "more than 1,024"),
        (b'{"a":99999999999999999999999}', STRUCTURED, None, "too large"),
        (b"{} x", STRUCTURED, None, "after its end"),
        (b"{}", STRUCTURED, None, "data is missing"),
        (b"{}", binary(ce_id=None), None, "id is missing"),
        (b"{}", binary(ce_specversion="0.3"), None, "specversion"),
        (b"{}", binary(ce_type=None), None, "type is missing"),
        (b'[{"id":1}]', [("content-type", b"application/cloudevents-batch+json")], None, "batch"),
        (structured(subject=None, id="no-subject"), STRUCTURED, None, "no subject"),
        (structured(id="x", data_base64="e30="), STRUCTURED, None, "data_base64"),
        (structured(id="y", type="club.grant\n"), STRUCTURED, None, "not a name"),
        (
            Task(uuid.UUID(int=0), None, "club.grant", "5", "", False, "x", {"days": "7"}).bytes,
            [],
            None,
            "needs an id",
        ),
        (
            encode(
                TASK,
                TASK_MARK,
                {
                    "task_id": uuid.uuid4().bytes,
                    "type": "club.grant",
                    "subject": "5",
                    "scheduled_at": NOON,
                    "arguments": {f"a{n}": "x" * 50_000 for n in range(3)},
                },
            ),
            [],
            None,
            "larger than 128 KiB",
        ),
    ]
    return given


def test_what_is_refused_is_answered(make_service, broker):
    """A dead letter with the reason for each, and for each that says which task it wants a
    failed outcome with that id on the results topic.
    """
    service = make_service(broker, people=20, more=HR, lanes='[ "intake" ]')
    cases = refusals()
    good = [adhoc("club.bump", n) for n in range(1, 11)]
    places = {}

    def landed(error, message):
        assert error is None
        places[(message.topic(), message.partition(), message.offset())] = message.value()

    for i, (value, headers, _, _) in enumerate(cases):
        service.producer.produce(
            f"{service.prefix}.intake.hr-portal",
            value,
            b"k",
            headers=headers,
            partition=i % 4,
            on_delivery=landed,
        )
    put_tasks(service, good)
    service.start()
    service.wait(lambda: taken(service) == len(cases) + len(good))
    assert set(filed(service)) == {t.id for t in good}
    letters = service.wait(lambda: (lambda x: len(x) == len(cases) and x)(service.letters()))
    by_value = Counter((x["value"], x["reason"]) for x in letters.values())
    assert {k: x["value"] for k, x in letters.items()} == places
    for value, _, _, said in cases:
        assert any(
            re.search(said, reason) and reason.startswith("refused: ")
            for v, reason in by_value
            if v == value
        ), (said, [r for v, r in by_value if v == value])
    answers = {e["task_id"]: e for e in service.events().values()}
    assert set(answers) == {task for _, _, task, _ in cases if task}
    for _, _, task, said in cases:
        if task:
            e = answers[task]
            assert (
                e["outcome"] == "failed"
                and e["reason"].startswith("refused: ")
                and re.search(said, e["reason"])
                and e["actor"] == "hr-portal"
            )
            assert e["run_id"] is None and e["source_topic"] == f"{service.prefix}.intake.hr-portal"
    service.check_ledger(service.events())
    shown = json.loads(tool(service, "status", "--json")[1])["intake"][0]
    assert shown["refused_last_day"] == len(cases) and shown["open"] == len(good)
    assert re.search(
        rf"hr-portal +{service.prefix}.intake.hr-portal +{len(cases) + len(good)} +0 +{len(good)}"
        rf" +{len(cases)} ",
        tool(service, "status")[1],
    )
    service.stop_all()


def test_each_request_once_through_kills(make_service, kafka):
    """Killed while its transaction waits, and at other moments; others continue: each request in
    one row, each refusal answered once.
    """
    service = make_service(kafka, people=400, more=HR, lanes='[ "intake" ]', batch_max=20)
    good, bad = (
        [adhoc("club.bump", n) for n in range(1, 601)],
        [adhoc("club.gate", n) for n in range(1, 201)],
    )
    put_tasks(service, [t for i in range(200) for t in good[3 * i : 3 * i + 3] + [bad[i]]])
    with service.database.connect() as other, other.cursor() as c:
        c.execute("begin; lock table rollcall.outcome_adhoc in exclusive mode")
        victim = service.start()
        service.wait(
            lambda: (
                service.database.value(
                    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and"
                    " datname = current_database()"
                )
                > 0
            )
        )
        victim.kill()
        victim.stopped = True
        c.execute("rollback")
    assert taken(service) == 0
    for goal in (20, 150, 300, 500, 700):
        victim = service.start()
        service.wait(lambda: taken(service) >= goal)
        victim.kill()
        victim.stopped = True
    service.start()
    service.wait(lambda: taken(service) == 800)
    rows = service.database.rows("select unnest(task_ids) from rollcall.request")
    assert sorted(r[0] for r in rows) == sorted(t.id for t in good)
    events = service.events(repeats=True)
    assert {e["task_id"] for e in events.values()} == {t.id for t in bad}
    service.check_ledger(events)
    assert len(service.letters()) == 200
    service.stop_all()


def test_repeated_requests_change_nothing(make_service, kafka):
    """The same refusal again: no second outcome. An id that is taken has its outcome, which is
    not written over.
    """
    service = make_service(kafka, people=5, more=HR, lanes='[ "intake" ]')
    bad = adhoc("club.gate", 3)
    put_tasks(service, [bad])
    service.start()
    service.wait(lambda: taken(service) == 1)
    put_tasks(service, [bad, adhoc("club.gate", 4, task_id=bad.id)])
    service.wait(lambda: taken(service) == 3)
    assert service.database.rows("select subject, outcome from rollcall.outcome_adhoc") == [
        ("3", 2)
    ]
    assert len(service.events()) == 1
    service.stop_all()


def test_a_service_over_its_rate_waits_and_nobody_else(make_service, broker):
    limits = intake(
        ("hr-portal", ["club.bump"], "rate = 20; burst = 10;"),
        ("other", ["club.bump"], "rate = 100000; open_max = 100000;"),
    )
    service = make_service(broker, people=5, more=limits, lanes='[ "intake" ]')
    put_tasks(service, [adhoc("club.bump", n) for n in range(1, 61)])
    service.start()
    service.wait(lambda: taken(service) >= 10)
    begun = time.monotonic()
    put_tasks(service, [adhoc("club.bump", n) for n in range(1, 501)], "other")
    service.wait(lambda: taken(service, "other") == 500)
    assert taken(service) < 60
    service.wait(lambda: taken(service) == 60)
    assert (
        1.4 < time.monotonic() - begun < 30
    )  # 50 tasks at 20 a second, of which some were taken before the clock ran
    assert len(filed(service)) == 560 and not service.database.rows(
        "select * from rollcall.dead_letter"
    )
    service.stop_all()


def test_open_tasks_are_bounded(make_service, kafka):
    """No more than so many without an outcome; as outcomes come, it continues."""
    service = make_service(
        kafka,
        people=5,
        more=intake(("hr-portal", ["club.bump"], "rate = 100000; open_max = 25;")),
        lanes='[ "intake" ]',
    )
    tasks = [adhoc("club.bump", n) for n in range(1, 101)]
    put_tasks(service, tasks)
    service.start()
    service.wait(lambda: taken(service) == 25)
    end = time.monotonic() + 2
    service.wait(lambda: time.monotonic() > end)
    assert taken(service) == 25
    code, page, _ = tool(service, "status", "--json")
    (shown,) = json.loads(page)["intake"]
    assert (shown["service"], shown["topic"]) == ("hr-portal", f"{service.prefix}.intake.hr-portal")
    assert [shown[k] for k in ("taken", "waiting", "open")] == [25, 75, 25], (code, page)
    while taken(service) < 100:  # the part of the scheduler and of a worker
        before = taken(service)
        service.database.execute(
            "update rollcall.request set published_at = now() where published_at is null"
        )
        service.database.execute(
            "insert into rollcall.outcome (day, run_no, type_no, subject, source_no, src_offset,"
            " sequence, outcome, task_id, actor) select '-infinity', 0, type_no, '1', 0, 0, 0, 0,"
            " id, 'x' from rollcall.request, unnest(task_ids) id on conflict do nothing"
        )
        service.wait(lambda: taken(service) > before)
        assert taken(service) - before <= 25
    assert set(filed(service)) == {t.id for t in tasks}
    service.stop_all()


def test_partitions_move_between_workers(make_service, kafka):
    """Two share the topics; one is killed, one joins: nothing is lost, nothing is filed twice."""
    service = make_service(kafka, people=5, more=HR, lanes='[ "intake" ]', batch_max=40)
    first = service.start()
    service.start()
    tasks = [adhoc("club.bump", n) for n in range(1, 1001)]
    put_tasks(service, tasks[:500])
    service.wait(lambda: taken(service) > 100)
    first.kill()
    first.stopped = True
    put_tasks(service, tasks[500:])
    service.start()
    service.wait(lambda: taken(service) == 1000)
    ids = [r[0] for r in service.database.rows("select unnest(task_ids) from rollcall.request")]
    assert sorted(ids) == sorted(t.id for t in tasks)
    service.stop_all()


# ---- the Confluent wire format, and the examples of docs/messages.md ----
THEIRS = {
    "type": "record",
    "name": "com.example.Request",
    "aliases": ["rollcall.Task"],
    "fields": [
        {"name": "ticket", "type": "string"},
        {"name": "task_id", "type": {"type": "fixed", "name": "rollcall.Uuid", "size": 16}},
        {"name": "type", "type": "string"},
        {"name": "subject", "type": "string"},
        {"name": "scheduled_at", "type": "long"},
        {"name": "arguments", "type": {"type": "map", "values": "string"}},
    ],
}


def theirs(schema_id, task_id, subject):
    record = {
        "ticket": "t",
        "task_id": task_id.bytes,
        "type": "club.grant",
        "subject": subject,
        "scheduled_at": 1,
        "arguments": GRANT,
    }
    return encode(fastavro.parse_schema(dict(THEIRS)), struct.pack(">bI", 0, schema_id), record)


class Registry(http.server.ThreadingHTTPServer):
    """What Rollcall requests from a registry with Confluent's API: schema 8 is theirs, 9 is none of
    our messages'.
    """

    def __init__(self, port=0):
        self.asked = asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                known = {
                    "/apis/ccompat/v7/schemas/ids/8": THEIRS,
                    "/apis/ccompat/v7/schemas/ids/9": {
                        "type": "record",
                        "name": "Other",
                        "fields": [],
                    },
                }
                body = json.dumps(
                    {"schema": json.dumps(known[self.path])}
                    if self.path in known
                    else {"error_code": 40403}
                ).encode()
                self.send_response(200 if self.path in known else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def test_the_confluent_wire_format(make_service, kafka):
    """By an id of the configuration, or of the registry, which is asked once; while it is
    unavailable that partition waits, and others continue.
    """
    port = free_port()
    service = make_service(
        kafka,
        people=5,
        lanes='[ "intake" ]',
        more=HR + '\nschemas = { ids = [ "7=theirs.avsc" ]; registry ='
        f' "http://127.0.0.1:{port}/apis/ccompat/v7"; }};',
    )
    (service.folder / "theirs.avsc").write_text(json.dumps(THEIRS))
    service.start()
    ids = [uuid.uuid4() for _ in range(4)]
    put(service, theirs(7, ids[0], "1"), partition=0)
    put(service, theirs(8, ids[1], "2"), partition=1)
    put(service, theirs(7, ids[2], "3"), partition=0)
    assert service.producer.flush(20) == 0
    service.wait(lambda: set(filed(service)) == {ids[0], ids[2]})
    service.wait(lambda: "schema registry" in service.started[0].text())
    assert not service.database.rows("select * from rollcall.dead_letter")
    with Registry(port) as registry:
        service.wait(lambda: len(filed(service)) == 3)
        put(service, theirs(8, ids[3], "4"), partition=1)
        put(service, theirs(9, uuid.uuid4(), "5"), partition=1)
        for _ in range(3):
            put(service, theirs(10, uuid.uuid4(), "6"), partition=1)
        assert service.producer.flush(20) == 0
        service.wait(lambda: taken(service) == 8)
        assert Counter(registry.asked) == {
            f"/apis/ccompat/v7/schemas/ids/{i}": 1 for i in (8, 9, 10)
        }
        registry.shutdown()
    assert filed(service)[ids[3]] == ("hr-portal", "club.grant", "4", "", GRANT, False)
    reasons = Counter(
        r[0][:60] for r in service.database.rows("select reason from rollcall.dead_letter")
    )
    assert set(reasons.values()) == {1, 3} and all(
        "refused: Confluent wire format with schema id" in r for r in reasons
    )
    service.stop_all()


@pytest.mark.parametrize(
    "ids, said",
    [
        ('"x=theirs.avsc"', "schemas.ids: found"),
        ('"7=absent.avsc"', "absent.avsc"),
        ('"7=rollcall.cfg"', "rollcall.cfg"),
    ],
)
def test_schema_ids_that_cannot_be(make_service, kafka, ids, said):
    service = make_service(
        kafka, lanes='[ "intake" ]', more=HR + f"\nschemas = {{ ids = [ {ids} ]; }};"
    )
    worker = service.start(ready=False)
    assert worker.wait(30) == 1 and said in worker.text()
    worker.stopped = True


def test_types_must_exist(make_service, kafka):
    service = make_service(kafka)
    service.more = intake(("a", ["club.bump", "club.bumb"], ""))
    service.write()
    worker = service.start(ready=False)
    assert worker.wait(30) == 3 and 'intake[0].types[1]: found "club.bumb"' in worker.text()
    worker.stopped = True


def test_the_documented_examples(make_service, kafka):
    service = make_service(kafka, people=5, more=HR, lanes='[ "intake" ]')
    service.start()
    text = (REPO / "docs/messages.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", text[text.index("## Requesting a task") :], re.S)
    assert len(examples) == 2
    for code in examples:
        code = (
            code.replace("localhost:9092", service.broker.bootstrap)
            .replace('"rollcall.intake.', f'"{service.prefix}.intake.')
            .replace('"schemas/', f'"{REPO}/schemas/')
        )
        exec(
            compile(
                code.replace("equipemed.extend", "club.grant").replace(
                    '"reason": "contract renewed"', '"level": "gold"'
                ),
                "docs/messages.md",
                "exec",
            ),
            {},
        )
    service.wait(lambda: taken(service) == 2)
    assert filed(service) == {
        i: ("hr-portal", "club.grant", "4711", "", {"days": "90", "level": "gold"}, False)
        for i in (
            uuid.uuid5(uuid.NAMESPACE_URL, "https://hr.example/tickets/8812"),
            uuid.UUID("4e3adcde-33dd-5d27-8ce7-6b533aa92b7d"),
        )
    }
    service.stop_all()

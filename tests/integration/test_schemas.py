# SPDX-License-Identifier: Apache-2.0
"""The shipped schemas, the C codec and docs/messages.md against fastavro. Needs no server."""

import datetime
import io
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import types
import uuid

import fastavro
import pytest

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
DRIVER = (
    pathlib.Path(os.environ.get("ROLLCALL_BUILD", REPO / "build"))
    / "tests"
    / "unit"
    / "codec_driver"
)
FILES = ["task", "outcome", "run", "dead-letter"]  # in the driver's order
DOC = (REPO / "docs" / "messages.md").read_text(encoding="utf-8")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def load(name):
    return json.loads((REPO / "schemas" / f"{name}.avsc").read_text(encoding="utf-8"))


def plain(schema):
    """Without logical types: instants beyond Python's datetime are plain numbers, too."""
    if isinstance(schema, dict):
        return {k: plain(v) for k, v in schema.items() if k != "logicalType"}
    return [plain(s) for s in schema] if isinstance(schema, list) else schema


def frame(schema):
    form = fastavro.schema.to_parsing_canonical_form(schema)
    return b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(form, "CRC-64-AVRO"))


def write(schema, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(plain(schema)), value)
    return frame(schema) + out.getvalue()


def read(schema, message):
    assert message[:10] == frame(schema)
    rest = io.BytesIO(message[10:])
    value = fastavro.schemaless_reader(rest, fastavro.parse_schema(plain(schema)))
    assert rest.read() == b""
    return value


def driver(*arguments, lines=()):
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run(
        [DRIVER, *map(str, arguments)],
        input=text,
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    return done.stdout.split("\n")[:-1]


def as_printed(schema, value):
    """A value of fastavro's in the form that the driver prints."""
    kinds = {f["name"]: json.dumps(f["type"]) for f in schema["fields"]}
    out = {}
    for name, v in value.items():
        if isinstance(v, bytes):
            v = str(uuid.UUID(bytes=v)) if "Uuid" in kinds[name] else v.hex()
        out[name] = v
    return out


def messages_of(lines):
    return [json.loads(line) for line in lines]


def any_text(r):
    return "".join(r.choice('aZ0 \n"\\çãя漢€📋') for _ in range(r.choice([0, 1, 7, 8, 9, 300])))


def any_value(r, kind):
    if isinstance(kind, list):
        return None if r.random() < 0.5 else any_value(r, kind[1])
    if isinstance(kind, dict):
        if kind["type"] == "enum":
            return r.choice(kind["symbols"])
        if kind["type"] == "map":
            return {f"{i}{any_text(r)}": any_text(r) for i in range(r.choice([0, 1, 64]))}
        kind = kind["name"] if kind["type"] == "fixed" else kind["type"]
    if kind == "Uuid":
        return r.randbytes(16)
    if kind == "bytes":
        return r.randbytes(r.randrange(100))
    if kind == "string":
        return any_text(r)
    if kind == "boolean":
        return r.random() < 0.5
    bits = 31 if kind == "int" else 63
    return r.choice([0, 1, -1, 2**bits - 1, -(2**bits), r.getrandbits(bits) >> r.randrange(bits)])


@pytest.mark.parametrize("name", FILES)
def test_schema_is_valid_and_documented(name):
    schema = load(name)
    fastavro.parse_schema(schema)
    assert schema["namespace"] == "rollcall" and schema["doc"]
    for field in schema["fields"]:
        assert field["doc"], field["name"]
        nullable = isinstance(field["type"], list)
        assert not nullable or (field["type"][0] == "null" and field["default"] is None), field[
            "name"
        ]
        row = re.search(
            rf"^\| [^|]*`{field['name']}`",
            DOC.split(f"### rollcall.{schema['name']}\n")[1].split("\n##")[0],
            re.M,
        )
        assert row, f"docs/messages.md lacks {schema['name']}.{field['name']}"


def test_fingerprints_equal_those_of_the_documentation():
    printed = dict(line.split() for line in driver("fingerprints"))
    for name in FILES:
        schema = load(name)
        wire = frame(schema)
        assert printed[f"rollcall.{schema['name']}"] == wire[:1:-1].hex()
        assert (
            f"| `rollcall.{schema['name']}` | `{wire[:1:-1].hex()}` | `{wire.hex(' ').upper()}` |"
            in DOC
        )


@pytest.mark.parametrize("number, name", list(enumerate(FILES)))
def test_c_writes_fastavro_reads(number, name):
    schema = load(name)
    lines = driver("encode", number, 4711 + number, 200)
    assert len(lines) == 200
    theirs = [as_printed(schema, read(schema, bytes.fromhex(line))) for line in lines]
    ours = messages_of(driver("decode", lines=lines))
    assert [m["value"] for m in ours] == theirs
    assert {m["message"] for m in ours} == {f"rollcall.{schema['name']}"}


@pytest.mark.parametrize("name", FILES)
def test_fastavro_writes_c_reads(name):
    schema, r = load(name), random.Random(name)
    values = [{f["name"]: any_value(r, f["type"]) for f in schema["fields"]} for _ in range(200)]
    ours = messages_of(driver("decode", lines=[write(schema, v).hex() for v in values]))
    assert [m["value"] for m in ours] == [as_printed(schema, v) for v in values]


def test_foreign_schema_from_a_folder(tmp_path):
    schema = load("task")
    task_id, run_id, *others = [
        f for f in schema["fields"] if f["name"] != "item"
    ]  # which has a default
    priority = {"name": "priority", "type": {"type": "array", "items": ["null", "double"]}}
    schema["fields"] = [priority, *reversed(others), task_id, run_id]
    (tmp_path / "task-2.avsc").write_text(json.dumps(schema))
    value = {
        "priority": [None, 0.5],
        "task_id": bytes(range(16)),
        "run_id": None,
        "type": "p.t",
        "subject": "ação",
        "scheduled_at": 5,
        "dry_run": True,
        "actor": "x",
        "arguments": {"a": "1"},
    }
    message = write(schema, value).hex()
    assert "unknown schema" in driver("decode", lines=[message])[0]
    (shown,) = messages_of(driver("decode", tmp_path, lines=[message]))
    del value["priority"]
    assert shown == {
        "message": "rollcall.Task",
        "value": as_printed(load("task"), value | {"item": ""}),
    }


def test_bad_input_is_refused():
    message = write(
        load("task"), {"task_id": bytes(16), "type": "p.t", "subject": "s", "scheduled_at": 0}
    )
    lines = ["", "00", "00000000072a", message.hex()[:-2], message.hex() + "00", "c301" + "00" * 20]
    assert all(line.startswith("error input: ") for line in driver("decode", lines=lines))


def test_worked_examples_of_ids():
    rows = re.findall(
        r"^\| (\w+) \| `([-0-9a-f]{36})` \| `([^`]*␀[^`]*)` \| `([-0-9a-f]{36})` \|$", DOC, re.M
    )
    assert len(rows) == 5
    for _, space, name, result in rows:
        assert str(uuid.uuid5(uuid.UUID(space), name.replace("␀", "\0"))) == result
    run, task, event = driver(
        "ids",
        "equipemed",
        "check-expiration",
        1795251600000000,
        "equipemed.check-expiration",
        "4711",
        "",
        1,
        "applied",
    )
    assert [run, task, event] == [rows[0][3], rows[1][3], rows[3][3]]


def test_example_publisher(monkeypatch):
    sent = []

    class Producer:
        def __init__(self, options):
            assert options["enable.idempotence"]

        def produce(self, topic, **record):
            sent.append((topic, record))

        def flush(self):
            pass

    stub = types.ModuleType("confluent_kafka")
    stub.Producer = Producer
    monkeypatch.setitem(sys.modules, "confluent_kafka", stub)
    monkeypatch.chdir(REPO)
    exec(
        compile(re.search(r"```python\n(.*?)```", DOC, re.S).group(1), "docs/messages.md", "exec"),
        {},
    )
    ((topic, record),) = sent
    (shown,) = messages_of(driver("decode", lines=[record["value"].hex()]))
    assert topic == "rollcall.intake.hr-portal" and record["key"] == shown["value"]["subject"]
    assert shown["value"]["arguments"] == {"days": "90", "reason": "contract renewed"}
    assert shown["value"]["run_id"] is None
    moment = EPOCH + datetime.timedelta(microseconds=shown["value"]["scheduled_at"])
    assert abs(datetime.datetime.now(datetime.UTC) - moment) < datetime.timedelta(minutes=1)

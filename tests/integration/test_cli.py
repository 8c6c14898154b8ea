"""The operator's tool, as far as it works without scheduler and workers."""
import io
import json
import os
import pty
import re
import subprocess
import time
import uuid
from pathlib import Path

import fastavro
import pytest

from cli_pack import PACK_CFG, TABLES, Service, run
from harness.paths import REPO, program

UNREACHABLE = "127.0.0.1:9"


@pytest.fixture
def offline(tmp_path, database):
    """A service with a database and no Kafka."""
    database.execute(TABLES)
    return Service(tmp_path, database.conninfo, UNREACHABLE)


@pytest.fixture
def service(offline, database):
    """The same, applied."""
    offline.rollcall("db", "apply")
    return offline


@pytest.fixture
def online(tmp_path, database, kafka, unique):
    """With Kafka, applied."""
    database.execute(TABLES)
    made = Service(tmp_path, database.conninfo, kafka.bootstrap, prefix=unique("p"))
    made.rollcall("db", "apply")
    made.rollcall("topics", "apply")
    return made


def commands():
    """Every command that the help names."""
    out, _, code = run("--help")
    assert code == 0
    body = out.split("Commands:\n")[1].split("\n\n")[0]
    return [re.match(r"  ([a-z-]+(?: [a-z-]+)?)", line).group(1) for line in body.splitlines()]


# ---- the command line -----------------------------------------------------------------------------------------------------------------

def test_help_needs_no_configuration_and_is_quick():
    best = min(timed("--help") for _ in range(20))
    assert best < 0.05


def timed(*args):
    start = time.monotonic()
    subprocess.run([program("rollcall"), *args], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def test_every_command_has_help():
    for command in commands():
        out, err, code = run(*command.split(), "--help")
        assert code == 0 and out.startswith(f"Usage: rollcall {command}"), command
        assert "--json" in out and "Exit codes:" in out
        assert err == ""


def test_every_command_is_documented():
    page = (REPO / "docs/cli.md").read_text()
    for command in commands():
        group, _, name = command.partition(" ")
        assert re.search(rf"rollcall {group}(?: |\b.*\|){name}" if name else rf"rollcall {group}\b", page), command


def test_version():
    assert run("version")[0] == run("--version")[0]
    assert json.loads(run("version", "--json")[0])["version"] in run("version")[0]


@pytest.mark.parametrize("args, said", [
    ([], "Usage:"),
    (["jobs"], "a command is missing"),
    (["jobs", "dance"], 'no command "dance"'),
    (["jobs", "run"], "JOB is missing"),
    (["jobs", "run", "a", "b"], "one word too many: b"),
    (["jobs", "run", "a", "--colour"], "unknown option --colour"),
    (["jobs", "run", "a", "--set"], "a value is missing after --set"),
    (["jobs", "run", "a", "--wait=yes"], "no value is taken by --wait=yes"),
    (["jobs", "run", "a", "--timeout", "soon"], '--timeout "soon"'),
    (["runs", "list", "--limit", "0"], '--limit "0"'),
    (["tasks", "submit"], "missing: --type"),
    (["tasks", "submit", "--type", "a", "--type", "b"], "given twice: --type"),
    (["completion", "fish"], "only bash"),
])
def test_usage_errors(args, said):
    _, err, code = run(*args)
    assert code == 2 and said in err, err


def test_configuration_errors(tmp_path, offline):
    _, err, code = run("jobs", "list", "--config", tmp_path / "none.cfg")
    assert code == 3 and "none.cfg" in err
    offline.file.write_text(offline.file.read_text().replace("kafka =", "kafak ="))
    offline.rollcall("jobs", "list", code=3)
    assert f"{offline.file}:3" in offline.err and "kafak" in offline.err
    _, err, code = run("extend", "anna")
    assert code == 3 and "no command of rollcall itself" in err


def test_configuration_is_found_by_environment_and_folder(service, tmp_path):
    done = subprocess.run([program("rollcall"), "jobs", "list"], cwd=tmp_path, capture_output=True, text=True,
                          env={k: v for k, v in os.environ.items() if k != "ROLLCALL_CONFIG"})
    assert done.returncode == 0 and "guild.nightly" in done.stdout
    _, _, code = run("jobs", "list", env={"ROLLCALL_CONFIG": str(service.file)})
    assert code == 0


def complete(*words):
    """What bash offers for the last word."""
    script = f"""source <({program('rollcall')} completion bash)
COMP_WORDS=({' '.join(f"'{w}'" for w in words)}); COMP_CWORD={len(words) - 1}; _rollcall; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout.split()


def test_completion():
    assert {"jobs", "runs", "tasks", "status", "check"} <= set(complete("rollcall", ""))
    assert complete("rollcall", "jo") == ["jobs"]
    assert set(complete("rollcall", "jobs", "")) == {"list", "run", "suspend", "resume"}
    assert complete("rollcall", "-c", "some.cfg", "jobs", "su") == ["suspend"]
    assert complete("rollcall", "jobs", "run", "nightly", "--dr") == ["--dry-run"]
    assert set(complete("rollcall", "report", "levels", "--format", "")) == {"table", "json", "csv"}
    assert complete("rollcall", "runs", "list", "--state", "fin") == ["finished"]
    assert "--json" in complete("rollcall", "status", "--")
    assert complete("rollcall", "completion", "") == ["bash"]


def test_config(offline):
    assert offline.prefix in offline.rollcall("config", "print")
    out, _, code = run("config", "reference")
    assert code == 0 and "kafka.brokers" in out


# ---- db apply, check -------------------------------------------------------------------------------------------------------------------

def test_db_apply_twice(offline, database):
    offline.rollcall("jobs", "list", code=3)
    assert "rollcall db apply" in offline.err
    first = offline.json("db", "apply")
    assert first["from"] == 0 and first["packs"] == [{"pack": "guild", "schema": True, "jobs": 3, "task_types": 3}]
    before = database.rows("select * from rollcall.task_type order by 1")
    again = offline.json("db", "apply")
    assert again["from"] == again["to"] == first["to"]
    assert "nothing to do" in offline.rollcall("db", "apply")
    assert database.rows("select * from rollcall.task_type order by 1") == before
    assert database.value("select count(*) from guild_log") == 0


def test_db_unreachable(offline):
    offline.conninfo = "host=127.0.0.1 port=9"
    offline.write()
    offline.rollcall("db", "apply", code=4)
    assert offline.err.startswith("rollcall: database")


def failures(service, *args, code=1):
    found = service.json("check", *args, code=code)
    assert found["ok"] == (code == 0)
    return [f for f in found["findings"] if f["status"] == "FAIL"]


def test_check_of_a_good_service(online):
    out = online.rollcall("check")
    assert "FAIL" not in out and out.endswith("ok, 0 failed\n")
    for what in ["configuration", "pack: guild", "due: ", "statement: ", "record: ", "template: guild.remind", "requires: ", "lookup: ", "report: ",
                 "ledger: ", "privileges: ", "kafka: ", f"topic: {online.prefix}.tasks.mail", "mail: "]:
        assert re.search(rf"^ok   {re.escape(what)}", out, re.M), what
    assert failures(online, code=0) == []


BROKEN = {
    "sql/lapse.due.sql": ("select id::text as subject from member", "column \"subject\" is text"),
    "sql/lapse.sql": ("effect as (\n  select id as subject, 'applied' as outcome\n  from members m join batch b on b.subject = m.id)", "lapse.sql:3: relation \"members\" does not exist"),
    "sql/remind.sql": ("effect as (select m.id as subject, 'send'::text as outcome, m.name from member m)", "to_address"),
    "sql/remind.record.sql": ("noted as (select b.subject, b.when from batch b)", "b.when does not exist"),
    "sql/promote.sql": ("effect as (select b.subject, 1 as outcome from batch b)", "column \"outcome\" is int4"),
    "sql/requires.sql": ("select 1 as ok, 'x'::text as reason", "column \"ok\" is int4"),
    "sql/find.sql": ("select name, id as subject from member where name = :subject", "first column must be \"subject\""),
    "sql/report.sql": ("select level from member", "one json column"),
    "templates/remind.txt": ("Dear {{name}},\n{{nickname}}\n", "{{nickname}}"),
}


@pytest.mark.parametrize("path", BROKEN)
def test_check_names_the_file_and_the_reason(service, path):
    text, said = BROKEN[path]
    (service.pack / path).write_text(text)
    found = failures(service, "--offline")
    assert any(said in f"{f['where']}: {f['text']}" for f in found), found
    if path.startswith("sql/"):
        assert any(path in f["where"] for f in found), found


def test_check_goes_on_after_failures(service):
    for path, (text, _) in BROKEN.items():
        (service.pack / path).write_text(text)
    (service.pack / "templates/remind.txt").write_text("{{name}}")
    found = failures(service)
    wrong = {f["what"] for f in found}
    assert wrong >= {"due", "statement", "record", "requires", "lookup", "report", "kafka"}
    assert not wrong & {"pack", "configuration", "database"}
    out = service.rollcall("check", code=1)
    assert out.count("FAIL") == len(found) and re.search(r"\d+ ok, \d+ failed\n$", out)


def test_check_of_an_unknown_name_and_of_a_bad_pack(service):
    (service.pack / "sql/lapse.due.sql").write_text("select id as subject\nfrom member where id = :colour")
    assert any("lapse.due.sql:2" in f["text"] and ":colour" in f["text"] for f in failures(service, "--offline"))
    service.add_pack("broken", PACK_CFG.replace('name = "guild"', 'name = "broken"').replace("task_types", "task_typos"))
    found = failures(service, "--offline")
    assert any(f["what"] == "pack" and "task_typos" in f["text"] for f in found)
    assert any("lapse.due.sql:2" in f["text"] for f in found), "a broken pack hides the other's faults"


def test_check_finds_missing_tables_and_privileges(service, database):
    database.execute("drop table rollcall.recent_error; drop role if exists guest; create role guest login; grant usage on schema rollcall to guest; "
                     "grant select on all tables in schema rollcall, public to guest")
    assert any("recent_error is missing" in f["text"] for f in failures(service, "--offline"))
    service.conninfo = service.conninfo.replace("user=rollcall", "user=guest")
    service.write()
    found = failures(service, "--offline")
    assert any(f["what"] == "privileges" and f["where"] == "outcome" and "INSERT" in f["text"] for f in found), found


def test_check_before_db_apply(offline):
    assert any("rollcall db apply" in f["text"] for f in failures(offline, "--offline"))


# ---- topics ----------------------------------------------------------------------------------------------------------------------------

def test_topics_apply_twice(tmp_path, database, kafka, unique):
    service = Service(tmp_path, database.conninfo, kafka.bootstrap, prefix=unique("p"))
    names = {f"{service.prefix}.{n}" for n in ["jobs", "tasks", "tasks.urgent", "tasks.mail", "results", "dead-letters"]}
    tried = service.json("topics", "apply", "--dry-run")
    assert {t["topic"] for t in tried} == names and all("would be created" in t["result"] for t in tried)
    assert {t["state"] for t in service.json("topics", "list")} == {"missing"}
    assert all(t["changed"] for t in service.json("topics", "apply"))
    assert {(t["topic"], t["partitions"], t["state"]) for t in service.json("topics", "list")} == {(n, 2, "ok") for n in names}
    assert not any(t["changed"] for t in service.json("topics", "apply"))
    service.partitions = 3
    service.write()
    assert {t["result"] for t in service.json("topics", "apply")} == {"partitions added"}
    assert {t["partitions"] for t in service.json("topics", "list")} == {3}


def test_kafka_unreachable(service):
    service.rollcall("topics", "list", code=4)
    assert "Kafka" in service.err and UNREACHABLE in service.err


# ---- jobs and runs ---------------------------------------------------------------------------------------------------------------------

def job(service, name, *args):
    return next(j for j in service.json("jobs", "list", *args) if j["job"] == f"guild.{name}")


def test_jobs_list_knows_zones_and_dst(service):
    """Norway went to summer time on 2026-03-29 at 02:00: 02:30 does not exist, and is made up for right after the gap."""
    nightly = job(service, "nightly", "--after", "2026-03-27T12:00:00Z", "--next", "3")
    assert nightly["next"] == ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    nightly = job(service, "nightly", "--after", "2026-10-24T12:00:00Z", "--next", "2")
    assert nightly["next"] == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"], "a repeated time runs once, the first time"
    reminders = job(service, "reminders", "--after", "2026-03-27T12:00:00Z")
    assert reminders["next"] == ["2026-03-30T08:00:00-03:00"] and reminders["time_zone"] == "America/Sao_Paulo"
    assert job(service, "by-hand")["next"] == [] and job(service, "by-hand")["schedule"] is None
    table = service.rollcall("jobs", "list", "--after", "2026-03-27T12:00:00Z")
    assert "2026-03-30T08:00:00-03:00" in table and "by hand" in table
    service.rollcall("jobs", "list", "--after", "tomorrow", code=2)


def test_suspend_and_resume(service, database):
    assert job(service, "reminders")["suspended_by"] == "the configuration"
    service.rollcall("jobs", "suspend", "nightly", "--actor", "ops:eva")
    assert (job(service, "nightly")["suspended"], job(service, "nightly")["suspended_by"]) == (True, "ops:eva")
    service.rollcall("jobs", "resume", "guild.nightly")
    assert not job(service, "nightly")["suspended"]
    service.rollcall("jobs", "suspend", "--all")
    assert all(j["suspended"] for j in service.json("jobs", "list"))
    assert database.value("select bool_and(suspended_by like 'cli:%') from rollcall.job")
    service.rollcall("jobs", "resume", "--all")
    assert database.value("select count(*) from rollcall.job where suspended") == 0
    service.rollcall("jobs", "suspend", "nope", code=5)
    service.rollcall("jobs", "suspend", code=2)


def test_jobs_run_asks_for_a_run(service, database):
    asked = service.json("jobs", "run", "by-hand", "--dry-run", "--force", "--set", "grace_days=3", "--at", "2026-02-01T00:00:00+01:00", "--actor", "ops:eva")
    row = database.rows("select run_id, pack, job, scheduled_at, cause, requested_by, settings, dry_run, force, state from rollcall.run")
    assert len(row) == 1
    run_id, pack, name, at, cause, by, settings, dry, force, state = row[0]
    assert (str(run_id), pack, name, cause, by, dry, force, state) == (asked["run_id"], "guild", "by-hand", "manual", "ops:eva", True, True, "requested")
    assert at.isoformat() == "2026-01-31T23:00:00+00:00" and settings == {"grace_days": "3"}
    again = service.json("jobs", "run", "by-hand", "--at", "2026-01-31T23:00:00Z")
    assert again == {"run_id": asked["run_id"], "job": "guild.by-hand", "new": False}
    assert job(service, "by-hand")["last_run"]["run_id"] == asked["run_id"]
    service.rollcall("jobs", "run", "by-hand", "--set", "grace_days=1000", code=2)
    service.rollcall("jobs", "run", "by-hand", "--set", "colour=red", code=2)
    service.rollcall("jobs", "run", "nope", code=5)
    service.rollcall("jobs", "run", "by-hand", "--wait", "--timeout", "300ms", code=6)
    assert "gave up waiting" in service.err


def make_run(database, state="published", dry_run=False, outcomes=(), planned=None):
    """A run as the scheduler and the workers would leave it."""
    run_id = uuid.uuid4()
    number = database.value("insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by, dry_run, state, planned, chunks, chunks_published, "
                            "planned_at, published_at, closed_at) values (%s, 'guild', 'nightly', '2026-02-01', '2026-02-01', 'manual', 'cli:eva', %s, %s, %s, 1, 1, now(), now(), "
                            "case when %s in ('finished', 'failed') then now() end) returning run_no",
                            (run_id, dry_run, state, len(outcomes) if planned is None else planned, state))
    database.execute("select rollcall.ensure_day('2026-02-01')")
    type_no = database.value("select type_no from rollcall.task_type where name = 'guild.lapse'")
    for i, (subject, outcome, reason) in enumerate(outcomes):
        database.execute("insert into rollcall.outcome (run_no, src_offset, sequence, day, source_no, type_no, outcome, dry_run, subject, reason, before, after) "
                         "values (%s, %s, %s, '2026-02-01', 1, %s, %s, %s, %s, %s, 'basic', 'lapsed')", (number, i, i + 1, type_no, outcome, dry_run, subject, reason))
    counts = [sum(1 for o in outcomes if o[1] == k) for k in range(3)]
    database.execute("insert into rollcall.progress (run_no, source_no, applied, skipped, failed) values (%s, 1, %s, %s, %s)", (number, *counts))
    database.execute("insert into rollcall.plan (run_no, chunk, type_no, dry_run, subjects) values (%s, 0, %s, %s, %s)",
                     (number, type_no, dry_run, [o[0] for o in outcomes] + [f"m{i}" for i in range((planned or len(outcomes)) - len(outcomes))]))
    return str(run_id)


def test_runs_list_and_show(service, database):
    done = make_run(database, "failed", outcomes=[("1", 0, ""), ("2", 1, "not eligible"), ("3", 2, "division by zero")])
    other = make_run(database, "published", outcomes=[("1", 0, "")], planned=3)
    listed = service.json("runs", "list")
    assert [r["run_id"] for r in listed] == [other, done]
    assert [r["run_id"] for r in service.json("runs", "list", "--state", "failed")] == [done]
    assert [r["run_id"] for r in service.json("runs", "list", "--job", "nightly", "--limit", "1")] == [other]
    assert service.json("runs", "list", "--job", "reminders") == []

    shown = service.json("runs", "show", done)
    assert shown["complete"] and (shown["applied"], shown["skipped"], shown["failed"]) == (1, 1, 1) and shown["planned"] == shown["done"] == 3
    assert {(r["outcome"], r["reason"], r["count"]) for r in shown["reasons"]} == {("applied", "", 1), ("skipped", "not eligible", 1), ("failed", "division by zero", 1)}
    assert [(s["subject"], s["reason"]) for s in shown["subjects"]] == [("3", "division by zero")]
    assert [s["subject"] for s in service.json("runs", "show", done, "--outcome", "applied")["subjects"]] == ["1"]
    text = service.rollcall("runs", "show", done[:13])
    assert "3 = 1 applied + 1 skipped + 1 failed" in text and "division by zero" in text

    open_run = service.json("runs", "show", "nightly", "--missing")
    assert open_run["run_id"] == other and not open_run["complete"]
    assert [m["subject"] for m in open_run["missing"]] == ["m0", "m1"]
    assert "2 tasks without an outcome so far" in service.rollcall("runs", "show", "guild.nightly")
    service.rollcall("runs", "show", done, "--outcome", "great", code=2)
    service.rollcall("runs", "list", "--state", "great", code=2)
    service.rollcall("runs", "show", "ffffffff", code=5)
    service.rollcall("runs", "show", "abc", code=5)


def test_runs_show_dry_run_lists_the_changes(service, database):
    tried = make_run(database, "finished", dry_run=True, outcomes=[("1", 0, ""), ("2", 0, "")])
    shown = service.json("runs", "show", tried)
    assert [(c["subject"], c["before"], c["after"]) for c in shown["changes"]] == [("1", "basic", "lapsed"), ("2", "basic", "lapsed")]
    assert "What would change" in service.rollcall("runs", "show", tried) and "nothing was changed" in service.rollcall("runs", "show", tried)
    assert "the first 1" in service.rollcall("runs", "show", tried, "--limit", "1")


def test_runs_show_ambiguous_prefix(service, database):
    a, b = (make_run(database, outcomes=[("1", 0, "")]) for _ in range(2))
    database.execute("update rollcall.run set run_id = overlay(run_id::text placing 'abcdabcd' from 1)::uuid")
    service.rollcall("runs", "show", "abcdabcd", code=2)
    assert "several run ids" in service.err
    service.rollcall("runs", "show", "abcdabcd" + a[8:])


@pytest.mark.parametrize("state, code", [("finished", 0), ("failed", 1), ("refused", 7), ("cancelled", 7)])
def test_runs_watch_ends_with_the_run(service, database, state, code, tmp_path):
    made = make_run(database, "published", outcomes=[("1", 0, "")])
    with open(tmp_path / "err", "w+") as err:
        watching = subprocess.Popen([program("rollcall"), "-c", str(service.file), "runs", "watch", made], stdout=subprocess.PIPE, stderr=err, text=True)
        end = time.monotonic() + 60
        while "published" not in (tmp_path / "err").read_text():
            assert watching.poll() is None and time.monotonic() < end, (tmp_path / "err").read_text()
            time.sleep(0.02)
        database.execute("update rollcall.run set state = %s, closed_at = now()", (state,))
        out, _ = watching.communicate(timeout=60)
    assert watching.returncode == code, (tmp_path / "err").read_text()
    assert state in out
    service.rollcall("runs", "watch", made, code=code)


def test_runs_republish(service, database):
    made = make_run(database, "published", outcomes=[("1", 0, "")], planned=2)
    with database.connect() as listener:
        listener.execute("listen rollcall_run")
        assert service.json("runs", "republish", made) == {"run_id": made, "chunks": 1}
        assert [n.channel for n in listener.notifies(timeout=30, stop_after=1)] == ["rollcall_run"]
    assert database.rows("select state, chunks_published from rollcall.run") == [("planned", 0)]
    database.execute("update rollcall.run set state = 'finished', closed_at = now()")
    service.rollcall("runs", "republish", made, code=7)
    assert database.value("select state from rollcall.run") == "finished"


# ---- tasks -----------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("args, code, said", [
    (["--type", "nope", "--subject", "1"], 5, "no pack has a task type"),
    (["--type", "promote"], 2, "--subject or --csv is missing"),
    (["--type", "promote", "--subject", "ana", "--set", "new_level=gold"], 2, "which guild.promote takes"),
    (["--type", "promote", "--subject", "1"], 2, "argument new_level is missing"),
    (["--type", "promote", "--subject", "1", "--set", "new_level=iron"], 2, "new_level"),
    (["--type", "promote", "--subject", "1", "--set", "colour=red"], 2, 'no argument "colour"'),
    (["--type", "promote", "--subject", "1", "--set", "new_level"], 2, "name=value"),
    (["--type", "promote", "--subject", "1", "--set", "new_level=gold", "--id", "7"], 2, "a UUID"),
    (["--type", "promote", "--csv", "/nonexistent.csv"], 5, "nonexistent"),
    (["--type", "promote", "--csv", "x", "--subject", "1"], 2, "leave --subject"),
])
def test_tasks_submit_refuses_bad_requests(service, args, code, said):
    service.rollcall("tasks", "submit", *args, code=code)
    assert said in service.err


def published(service, kafka, lane):
    """The values on a lane, by key."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "test", "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    topic, found = f"{service.prefix}.{lane}", []
    try:
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p))[1] for p in range(service.partitions)}
        consumer.assign([TopicPartition(topic, p, 0) for p in ends])
        while len(found) < sum(ends.values()):
            for m in consumer.consume(1000, 1):
                assert not m.error()
                found.append((m.key(), m.value(), dict(m.headers() or [])))
    finally:
        consumer.close()
    return found


def test_tasks_submit_publishes(online, kafka):
    task_id = str(uuid.uuid4())
    asked = online.json("tasks", "submit", "--type", "promote", "--subject", "1", "--set", "new-level=gold", "--id", task_id)
    assert asked == {"task_id": task_id, "type": "guild.promote", "subject": "1", "dry_run": False}
    [(key, value, headers)] = published(online, kafka, "tasks.urgent")
    assert key == b"1" and b"guild.promote" in value and b"gold" in value and headers["ce_type"].startswith(b"rollcall.task")
    online.rollcall("tasks", "submit", "--type", "lapse", "--subject", "1", "--wait", "--timeout", "300ms", code=6)
    assert "no outcome" in online.err and '"tasks"' in online.err


CSV = 'subject,new_level,days\r\n1,gold,5\r\n"2","gold",\r\nthree,gold,5\r\n3,iron,5\r\n4,gold\r\n5,"gold,6\r\n'


def test_csv_submits_good_rows_and_reports_bad_ones(online, kafka, tmp_path):
    (tmp_path / "f.csv").write_text(CSV)
    lines = online.lines("tasks", "submit", "--type", "promote", "--csv", tmp_path / "f.csv", code=1)
    assert lines[-1] == {"submitted": 2, "rejected": 4}
    assert [line["line"] for line in lines[:-1]] == [4, 5, 6, 7]
    assert "which guild.promote takes" in lines[0]["reason"] and "has 2 fields" in lines[2]["reason"] and "not closed" in lines[3]["reason"]
    first = published(online, kafka, "tasks.urgent")
    assert sorted(k for k, _, _ in first) == [b"1", b"2"]
    online.rollcall("tasks", "submit", "--type", "promote", "--csv", "-", text=CSV, code=1)
    ids = [h["ce_id"] for _, _, h in published(online, kafka, "tasks.urgent")]
    assert len(ids) == 4 and len(set(ids)) == 2, "the same content gives the same ids"
    online.rollcall("tasks", "submit", "--type", "promote", "--csv", "-", "--dry-run", text=CSV, code=1)
    assert len({h["ce_id"] for _, _, h in published(online, kafka, "tasks.urgent")}) == 4, "a dry run is another request"


@pytest.mark.parametrize("text, said", [
    ("", "empty"), ("id,new_level\n1,gold\n", 'column "id"'), ("new_level\ngold\n", '"subject"'), ("subject,subject\n1,1\n", "stands twice"),
])
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
            child = subprocess.Popen([program("rollcall"), "-c", str(online.file), "tasks", "submit", "--type", "promote", "--csv", str(path), "--json"],
                                     stdin=subprocess.DEVNULL, stdout=out)
            peak[rows] = 0
            while child.poll() is None:
                peak[rows] = max(peak[rows], high_water(child.pid))
                time.sleep(0.005)
        assert child.returncode == 0 and json.loads((tmp_path / "out").read_text()) == {"submitted": rows, "rejected": 0}
    assert 0 < peak[100_000] < 64 * 1024 * 1024 and peak[100_000] - peak[2_000] < 32 * 1024 * 1024


def high_water(pid):
    """The most memory that the process has had, in bytes; 0 when it has ended."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024
    except (AttributeError, OSError):
        return 0


# ---- results, dead letters, reports, status --------------------------------------------------------------------------------------------

def test_results_tail_of_an_empty_topic(online):
    assert online.rollcall("results", "tail") == ""
    online.rollcall("results", "tail", "--from", "yesterday", code=2)
    online.rollcall("results", "tail", "--run", "nightly", code=5)


def events(*changes):
    """Outcome events as another make of Avro writes them."""
    schema = json.loads((REPO / "schemas/outcome.avsc").read_text())
    mark = bytes.fromhex(fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO"))
    schema["fields"][0]["type"].pop("logicalType")
    for n, change in enumerate(changes):
        event = {"event_id": uuid.uuid4().bytes, "task_id": uuid.uuid4().bytes, "run_id": None, "pack": "guild", "job": "", "type": "guild.promote", "subject": "1",
                 "item": "", "outcome": "applied", "reason": "", "before": "basic", "after": None, "at": 1_767_225_600_000_000 + n * 3_600_000_000,
                 "dry_run": False, "actor": "cli:eva", "attempt": 1, "source_topic": "t", "source_partition": 0, "source_offset": n, "sequence": n + 1, **change}
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
    produce(*events({}, {"subject": "2", "run_id": run_id.bytes, "job": "nightly", "outcome": "failed", "reason": "é"}, {"subject": "3"}), ("x", b"rubbish"))

    seen = [json.loads(line) for line in online.rollcall("results", "tail").splitlines()]
    assert sorted(e["subject"] for e in seen) == ["1", "2", "3"] and "rubbish" not in online.err and "offset" in online.err
    failed = next(e for e in seen if e["subject"] == "2")
    assert (failed["run_id"], failed["outcome"], failed["reason"], failed["at"]) == (str(run_id), "failed", "é", "2026-01-01T01:00:00Z")
    assert (failed["before"], failed["after"], failed["sequence"], failed["source_topic"]) == ("basic", None, 2, "t")
    assert next(e for e in seen if e["subject"] == "1")["run_id"] is None
    assert [json.loads(line)["subject"] for line in online.rollcall("results", "tail", "--run", str(run_id)).splitlines()] == ["2"]
    assert [json.loads(line)["subject"] for line in online.rollcall("results", "tail", "--from", "2026-01-01T02:00:00Z").splitlines()] == ["3"]
    assert len(online.rollcall("results", "tail", "--count", "2").splitlines()) == 2
    assert online.rollcall("results", "tail", "--from", "end") == ""

    follow = subprocess.Popen([program("rollcall"), "-c", str(online.file), "results", "tail", "--follow", "--count", "1"], stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while follow.poll() is None and time.monotonic() < end:  # what comes before it has joined is not new to it
        produce(*events({"subject": "4"}))
        time.sleep(0.5)
    assert json.loads(follow.communicate(timeout=20)[0])["subject"] == "4" and follow.returncode == 0


def test_dead_letters(service, database):
    database.execute("insert into rollcall.position (cluster, topic, partition) values ('c', 't.tasks', 3); insert into rollcall.dead_letter "
                     "(source_no, src_offset, sequence, reason, key, value) select source_no, 42, 1, 'not Avro', '1', '\\x00ff' from rollcall.position")
    [letter] = service.json("dead-letters", "list")
    assert (letter["topic"], letter["partition"], letter["offset"], letter["reason"], letter["value"]) == ("t.tasks", 3, 42, "not Avro", "AP8=")
    assert "not Avro" in service.rollcall("dead-letters", "list")


def test_reports(service, tmp_path):
    assert "guild.levels" in service.rollcall("report")
    assert service.json("report")[0]["name"] == "levels"
    expected = {"levels": [{"level": "basic", "members": 3}]}
    assert json.loads(service.rollcall("report", "levels", "--format", "json")) == expected
    assert service.json("report", "levels") == expected
    assert "LEVELS" in service.rollcall("report", "levels")
    assert service.json("report", "guild.levels", "--at-least", "4") == {"levels": None}
    service.rollcall("report", "levels", "--format", "csv", "--output-file", tmp_path / "out" / "levels.csv")
    assert "basic" in (tmp_path / "out" / "levels.csv").read_text()
    service.rollcall("report", "levels", "--at-least", "1000", code=2)
    service.rollcall("report", "levels", "--format", "pdf", code=2)
    service.rollcall("report", "nope", code=5)
    assert "--at-least" in service.rollcall("report", "levels", "--help")


def test_status(online, database):
    make_run(database, "published", outcomes=[("1", 0, "")], planned=2)
    database.execute("insert into rollcall.lease values ('scheduler', 'host:1', 1, now() + interval '1 minute')")
    for i in range(7):
        (online.reports / f"r{i}.csv").write_text("x")
        os.utime(online.reports / f"r{i}.csv", (1_700_000_000 + i, 1_700_000_000 + i))
    online.rollcall("tasks", "submit", "--type", "lapse", "--subject", "1")
    page = online.json("status")
    assert {j["job"] for j in page["jobs"]} == {"nightly", "reminders", "by-hand"}
    assert next(j for j in page["jobs"] if j["job"] == "nightly")["state"] == "published"
    assert [(r["done"], r["planned"]) for r in page["open_runs"]] == [(1, 2)]
    assert [os.path.basename(r["path"]) for r in page["reports"]] == ["r6.csv", "r5.csv", "r4.csv", "r3.csv", "r2.csv"]
    assert page["leader"][0]["holder"] == "host:1"
    assert {lane["lane"]: lane["waiting"] for lane in page["lanes"]} == {"jobs": 0, "tasks": 1, "urgent": 0, "mail": 0, "results": 0}
    assert page["packs"] == {"guild": {"members": 3}}
    text = online.rollcall("status")
    assert "GUILD NOW" in text and "host:1 leads" in text and "r6.csv" in text and "guild.nightly" in text


def test_status_without_kafka(service):
    text = service.rollcall("status", code=4)
    assert "guild.nightly" in text and "None is running" in text


def test_status_before_the_topics_are_made(online):
    online.file.write_text(online.file.read_text().replace(f'prefix = "{online.prefix}"', f'prefix = "{online.prefix}-2"'))
    assert [lane["exists"] for lane in online.json("status")["lanes"]] == [False] * 5


def test_status_on_the_embedded_broker(service, embedded):
    """A broker that has died is no empty lane."""
    service.file.write_text(service.file.read_text().replace(f'brokers = "{UNREACHABLE}"', f'embedded = "{embedded.file}"'))
    service.rollcall("topics", "apply")
    service.rollcall("tasks", "submit", "--type", "lapse", "--subject", "1")
    page = service.json("status")
    assert {lane["lane"]: lane["waiting"] for lane in page["lanes"]} == {"jobs": 0, "tasks": 1, "urgent": 0, "mail": 0, "results": 0}
    embedded.process.kill()
    assert "guild.nightly" in service.rollcall("status", code=4) and "embedded broker" in service.err


# ---- the packs' own commands -----------------------------------------------------------------------------------------------------------

def test_pack_command_shows_state_and_proposal(service, database):
    text = service.rollcall("promote", "ana", "--new-level", "gold", "--dry-run")
    assert re.search(r"level +basic", text) and "Proposal: applied: promoted for 10 days (basic → gold)" in text
    tried = service.json("promote", "ana", "--new-level", "gold", "--days", "20", "--dry-run")
    assert tried["subject"] == "1" and tried["current"]["name"] == "ana" and tried["result"] is None
    assert (tried["proposal"]["outcome"], tried["proposal"]["reason"]) == ("applied", "promoted for 20 days")
    assert database.value("select level from member where id = 1") == "basic"


def test_pack_command_refusals(service, database):
    service.rollcall("promote", "nobody", "--new-level", "gold", code=5)
    assert 'there is no MEMBER "nobody"' in service.err
    service.rollcall("promote", "ana", code=2)
    assert "--new-level" in service.err
    service.rollcall("promote", "ana", "--new-level", "gold", "--days", "1000", code=2)
    service.rollcall("promote", "ana", "--new-level", "basic", "--yes", code=7)
    service.rollcall("promote", "ana", "--new-level", "gold", code=7)
    assert "needs a terminal" in service.err
    database.execute("update member set is_staff = true where id = 1")
    assert "is staff" in service.rollcall("promote", "ana", "--new-level", "gold", "--dry-run", code=7)
    service.rollcall("promote", "ana", "--new-level", "gold", "--force", "--dry-run")


@pytest.mark.parametrize("answer", ["n", "", "maybe"])
def test_pack_command_asks_on_a_terminal(service, answer):
    master, slave = pty.openpty()
    child = subprocess.Popen([program("rollcall"), "-c", str(service.file), "promote", "ana", "--new-level", "gold"], stdin=slave, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    os.write(master, f"{answer}\n".encode())
    out, err = child.communicate(timeout=60)
    os.close(master)
    os.close(slave)
    assert child.returncode == 7 and "Do it? [y/N]" in err and "nothing was done" in err and "Proposal: applied" in out


def test_pack_command_help_and_names(service):
    out = service.rollcall("promote", "--help")
    assert "MEMBER" in out and "--new-level" in out and "the new level" in out and "(required)" in out
    assert service.json("commands")[0]["name"] == "promote"
    service.rollcall("guild", "promote", "ana", "--new-level", "gold", "--dry-run")
    service.rollcall("guild:promote", "ana", "--new-level", "gold", "--dry-run")
    service.add_pack("club", PACK_CFG.replace('name = "guild"', 'name = "club"'))
    service.rollcall("promote", "ana", "--new-level", "gold", "--dry-run", code=2)
    assert "several packs" in service.err
    service.rollcall("club", "promote", "ana", "--new-level", "gold", "--dry-run")
    service.rollcall("dance", code=2)
    assert "no command" in service.err


def test_pack_command_waits_for_the_outcome(online):
    online.rollcall("promote", "ana", "--new-level", "gold", "--yes", "--timeout", "300ms", code=6)
    assert "no outcome of task" in online.err

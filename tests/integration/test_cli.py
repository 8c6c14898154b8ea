# SPDX-License-Identifier: Apache-2.0
"""The operator's tool: help, configuration, set-up, checks."""

import json
import os
import re
import subprocess
import time

import pytest
from cli_pack import PACK_CFG, Service, run
from cli_service import UNREACHABLE, offline, online, service  # noqa: F401
from harness.paths import REPO, program


def commands():
    """Every command that the help names."""
    out, _, code = run("--help")
    assert code == 0
    body = out.split("Commands:\n")[1].split("\n\n")[0]
    return [re.match(r"  ([a-z-]+(?: [a-z-]+)?)", line).group(1) for line in body.splitlines()]


# ---- the command line ----
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
        assert re.search(
            rf"rollcall {group}(?: |\b.*\|){name}" if name else rf"rollcall {group}\b", page
        ), command


PAGES = {
    "rollcall.1": ["rollcall", "help", "--man"],
    "rollcall.cfg.5": ["rollcall", "help", "--man", "rollcall.cfg"],
    "rollcall-worker.8": ["rollcall-worker", "--man"],
    "rollcall-scheduler.8": ["rollcall-scheduler", "--man"],
    "rollcall-aggregator.8": ["rollcall-aggregator", "--man"],
}


@pytest.mark.parametrize("page", PAGES)
def test_the_manual_pages_are_good_roff(page, tmp_path):
    """Made from the tables that the help and the reference are made of."""
    words = [program(PAGES[page][0]), *PAGES[page][1:]]
    source = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    (tmp_path / page).write_text(source)
    done = subprocess.run(
        ["groff", "-man", "-ww", "-K", "utf8", "-T", "utf8", "-P", "-cbou", "-rLL=200n", page],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == ""
    text = re.sub(r"\s+", " ", done.stdout.replace("\u2010", "-").replace("\u2212", "-"))
    name, section = page.rsplit(".", 1)
    assert f"{name.upper()}({section})" in text and f"{name} - " in text
    if page == "rollcall.1":
        for command in commands():
            assert f"rollcall {command}" in text, command
    if section == "5":
        for line in run("config", "reference")[0].splitlines()[2:]:
            assert line.split("`")[1] in text


def test_help_of_a_command():
    assert run("help", "jobs", "run")[0] == run("jobs", "run", "--help")[0]
    assert run("help")[0] == run("--help")[0] and "jobs suspend" in run("help", "jobs")[0]
    assert run("help", "nonsense")[2] == 2 and run("help", "--man", "nonsense")[2] == 2


def test_version_is_the_same_in_every_form():
    assert run("version")[0] == run("--version")[0]
    assert json.loads(run("version", "--json")[0])["version"] in run("version")[0]


@pytest.mark.parametrize(
    "args, said",
    [
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
    ],
)
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
    assert (
        code == 2 and 'there is no command "extend"' in err and "/nonexistent/rollcall.cfg" in err
    )


def test_configuration_is_found_by_environment_and_folder(service, tmp_path):
    done = subprocess.run(
        [program("rollcall"), "jobs", "list"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "ROLLCALL_CONFIG"},
    )
    assert done.returncode == 0 and "guild.nightly" in done.stdout
    _, _, code = run("jobs", "list", env={"ROLLCALL_CONFIG": str(service.file)})
    assert code == 0


def complete(*words):
    """What bash offers for the last word."""
    script = f"""source <({program("rollcall")} completion bash)
COMP_WORDS=({" ".join(f"'{w}'" for w in words)}); COMP_CWORD={len(words) - 1}
_rollcall; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return subprocess.run(
        ["bash", "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()


def test_completion_offers_what_can_follow():
    assert {"jobs", "runs", "tasks", "status", "check"} <= set(complete("rollcall", ""))
    assert complete("rollcall", "jo") == ["jobs"]
    assert set(complete("rollcall", "jobs", "")) == {"list", "run", "suspend", "resume"}
    assert complete("rollcall", "-c", "some.cfg", "jobs", "su") == ["suspend"]
    assert complete("rollcall", "jobs", "run", "nightly", "--dr") == ["--dry-run"]
    assert set(complete("rollcall", "report", "levels", "--format", "")) == {"table", "json", "csv"}
    assert complete("rollcall", "runs", "list", "--state", "suc") == ["succeeded"]
    assert "--json" in complete("rollcall", "status", "--")
    assert complete("rollcall", "completion", "") == ["bash"]


def test_config_prints_the_configuration_and_the_reference(offline):
    assert offline.prefix in offline.rollcall("config", "print")
    out, _, code = run("config", "reference")
    assert code == 0 and "kafka.brokers" in out


# ---- db apply, check ----
def test_db_apply_twice(offline, database):
    offline.rollcall("jobs", "list", code=3)
    assert "rollcall db apply" in offline.err
    first = offline.json("db", "apply")
    assert first["from"] == 0 and first["packs"] == [
        {"pack": "guild", "schema": True, "jobs": 3, "task_types": 3}
    ]
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
    for what in [
        "configuration",
        "pack: guild",
        "due: ",
        "statement: ",
        "record: ",
        "template: guild.remind",
        "requires: ",
        "lookup: ",
        "report: ",
        "ledger: ",
        "privileges: ",
        "kafka: ",
        f"topic: {online.prefix}.tasks.mail",
        "mail: ",
    ]:
        assert re.search(rf"^ok   {re.escape(what)}", out, re.M), what
    assert failures(online, code=0) == []


def test_check_reads_where_alerts_go(service):
    """An address that is none, and one that nothing can be mailed to."""
    service.extra = 'alert = { to = "ops"; from = "rollcall@"; };'
    service.write()
    found = {f["what"]: f["text"] for f in failures(service, "--offline")}
    assert "not local@domain" in found["alert.to"] and "not local@domain" in found["alert.from"]
    service.extra = 'alert = { to = "ops@example.org"; };'
    service.write()
    assert failures(service, "--offline", code=0) == []
    service.add_pack("guild", re.sub(r"\{ name = \"remind\";.*?\}; \},", "", PACK_CFG, flags=re.S))
    text = service.file.read_text()
    service.file.write_text(re.sub(r"mail = \{.*?\};\n", "", text, count=1))
    found = [f for f in failures(service, "--offline") if f["what"] == "alert.to"]
    assert [f["text"] for f in found] == ["alerts are mailed there, but mail.url is not configured"]


BROKEN = {
    "sql/lapse.due.sql": ("select id::text as subject from member", 'column "subject" is text'),
    "sql/lapse.sql": (
        (
            "effect as (\n  select id as subject, 'applied' as outcome\n  from members m join batch"
            " b on b.subject = m.id)"
        ),
        'lapse.sql:3: relation "members" does not exist',
    ),
    "sql/remind.sql": (
        "effect as (select m.id as subject, 'send'::text as outcome, m.name from member m)",
        "to_address",
    ),
    "sql/remind.record.sql": (
        "noted as (select b.subject, b.when from batch b)",
        "b.when does not exist",
    ),
    "sql/promote.sql": (
        "effect as (select b.subject, 1 as outcome from batch b)",
        'column "outcome" is int4',
    ),
    "sql/requires.sql": ("select 1 as ok, 'x'::text as reason", 'column "ok" is int4'),
    "sql/find.sql": (
        "select name, id as subject from member where name = :subject",
        'first column must be "subject"',
    ),
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


LAPSE = (
    "due as (select m.id from member m join batch b on b.subject = m.id for update of m), effect as"
    " (select id as subject, %s from due)"
)
WRONG = {
    "no batch": (
        "sql/lapse.sql",
        (
            "x as (update member set level = 'lapsed' returning id), effect as (select id as"
            " subject, 'applied' as outcome from x)"
        ),
        'never reads "batch"',
    ),
    "no batch but in a comment": (
        "sql/lapse.sql",
        (
            "x as (delete from member returning id), -- from batch\neffect as (select id as"
            " subject, 'applied' as outcome from x)"
        ),
        'never reads "batch"',
    ),
    "batch in an unused list": (
        "sql/lapse.sql",
        (
            "all_of_it as (select * from batch), effect as (select id as subject, 'applied' as"
            " outcome from member)"
        ),
        'never reads "batch"',
    ),
    "record without batch": (
        "sql/remind.record.sql",
        "noted as (insert into guild_log (member, said) select id, 'x' from member)",
        'never reads "batch"',
    ),
    "misspelt": (
        "sql/lapse.sql",
        LAPSE % "'aplied' as outcome",
        "outcome 'aplied', expected 'applied', 'skipped' or 'failed'",
    ),
    "null": ("sql/lapse.sql", LAPSE % "null::text as outcome", "outcome null, expected 'applied'"),
    "one branch": (
        "sql/lapse.sql",
        LAPSE % "case when id = 1 then 'applied' when id > 3 then case id when 7 then 'x' end else"
        " 'skiped'::text end as outcome",
        "outcome 'skiped'",
    ),
    "another action's": (
        "sql/remind.sql",
        (
            "effect as (select m.id as subject, b.item, 'applied' as outcome, m.email as"
            " to_address, m.name, 'x' as until from member m join batch b on b.subject = m.id)"
        ),
        "outcome 'applied', expected 'send', 'skipped' or 'failed'",
    ),
    "earlier list": (
        "sql/lapse.sql",
        (
            "judged as (select m.id, 'done' as outcome from member m join batch b on b.subject ="
            " m.id), effect as (select id as subject, outcome from judged)"
        ),
        "outcome 'done'",
    ),
    "doubled": (
        "sql/lapse.sql",
        LAPSE % "'applied' as outcome, 'a' as reason, 'b' as reason",
        'it has the column "reason" twice',
    ),
    "doubled outcome": (
        "sql/lapse.sql",
        LAPSE % "'applied' as outcome, 'skipped' as outcome",
        'it has the column "outcome" twice',
    ),
    "doubled in due": (
        "sql/lapse.due.sql",
        "select m.id as subject, n.id as subject from member m join member n using (id)",
        'it has the column "subject" twice',
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_check_reads_statements(service, name):
    """What a statement would do wrong whoever its tasks are about."""
    path, text, said = WRONG[name]
    (service.pack / path).write_text(text)
    assert [f for f in failures(service, "--offline") if path in f["where"] and said in f["text"]]


@pytest.mark.parametrize(
    "text, said",
    [
        ("select true as ok, 'x' as why", 'column "reason" (text) is missing'),
        ("select 1 as ok, 'x' as reason", 'column "ok" is int4'),
        (
            "select true as ok,\n  said as reason from guild_logs",
            'sql/fit.sql:2: relation "guild_logs" does not exist',
        ),
        ("select true as ok, 'x' as reason;", "syntax error"),
        ("select true as ok, :nonsense as reason", ":nonsense is neither a setting"),
    ],
)
def test_check_reads_what_a_type_requires(service, text, said):
    (service.pack / "sql/fit.sql").write_text(text)
    (service.pack / "pack.cfg").write_text(
        PACK_CFG.replace('{ name = "lapse"; ', '{ name = "lapse"; requires = "sql/fit.sql"; ')
    )
    assert [f for f in failures(service, "--offline") if said in f"{f['where']}: {f['text']}"], (
        failures(service, "--offline")
    )


@pytest.mark.parametrize(
    "text",
    [
        LAPSE % "'app' || 'lied' as outcome",
        LAPSE % "case when id = 1 then coalesce(null, 'applied') else 'skipped' end as outcome",
        (
            "judged as (select m.id, 'gone' as outcome from member m join batch b on b.subject ="
            " m.id), effect as (select id as subject, case when outcome = 'gone' then 'applied'"
            " else 'failed' end as outcome from judged)"
        ),
    ],
)
def test_check_takes_no_offence_at_other_words(service, text):
    (service.pack / "sql/lapse.sql").write_text(text)
    assert failures(service, "--offline", code=0) == []


def test_check_continues_after_failures(service):
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
    (service.pack / "sql/lapse.due.sql").write_text(
        "select id as subject\nfrom member where id = :colour"
    )
    assert any(
        "lapse.due.sql:2" in f["text"] and ":colour" in f["text"]
        for f in failures(service, "--offline")
    )
    service.add_pack(
        "broken",
        PACK_CFG.replace('name = "guild"', 'name = "broken"').replace("task_types", "task_typos"),
    )
    found = failures(service, "--offline")
    assert any(f["what"] == "pack" and "task_typos" in f["text"] for f in found)
    assert any("lapse.due.sql:2" in f["text"] for f in found), (
        "a broken pack hides the other's faults"
    )


def test_check_finds_missing_tables_and_privileges(service, database):
    database.execute(
        "drop table rollcall.recent_error; drop role if exists guest; create role guest login;"
        " grant usage on schema rollcall to guest; grant select on all tables in schema rollcall,"
        " public to guest"
    )
    assert any("recent_error is missing" in f["text"] for f in failures(service, "--offline"))
    service.conninfo = service.conninfo.replace("user=rollcall", "user=guest")
    service.write()
    found = failures(service, "--offline")
    assert any(
        f["what"] == "privileges" and f["where"] == "outcome" and "INSERT" in f["text"]
        for f in found
    ), found


def test_check_before_db_apply(offline):
    assert any("rollcall db apply" in f["text"] for f in failures(offline, "--offline"))


# ---- topics ----
def test_topics_apply_twice(tmp_path, database, kafka, unique):
    service = Service(tmp_path, database.conninfo, kafka.bootstrap, prefix=unique("p"))
    names = {
        f"{service.prefix}.{n}"
        for n in ["jobs", "tasks", "tasks.urgent", "tasks.mail", "results", "dead-letters"]
    }
    tried = service.json("topics", "apply", "--dry-run")
    assert {t["topic"] for t in tried} == names and all(
        "would be created" in t["result"] for t in tried
    )
    assert {t["state"] for t in service.json("topics", "list")} == {"missing"}
    assert all(t["changed"] for t in service.json("topics", "apply"))
    assert {(t["topic"], t["partitions"], t["state"]) for t in service.json("topics", "list")} == {
        (n, 2, "ok") for n in names
    }
    assert not any(t["changed"] for t in service.json("topics", "apply"))
    service.partitions = 3
    service.write()
    assert {t["result"] for t in service.json("topics", "apply")} == {"partitions added"}
    assert {t["partitions"] for t in service.json("topics", "list")} == {3}


def test_kafka_unreachable(service):
    service.rollcall("topics", "list", code=4)
    assert "Kafka" in service.err and UNREACHABLE in service.err


def test_an_ambiguous_name_is_refused_with_the_choices(service, database):
    database.execute("update member set name = 'Ana' where id = 3")
    (service.pack / "sql/find.sql").write_text(
        "select id as subject, name, level from member where lower(name) = lower(:subject) or '#'"
        " || id = :subject order by id"
    )
    service.rollcall("promote", "ana", "--new-level", "gold", "--yes", code=2)
    assert 'several people match MEMBER "ana": #1 ana, #3 Ana; give one as #NUMBER' in service.err

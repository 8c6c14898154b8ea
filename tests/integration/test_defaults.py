# SPDX-License-Identifier: Apache-2.0
"""What Rollcall refuses unless somebody requests it in words: configurations that nobody named,
code in properties, passwords without TLS.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cli_pack import Service
from cli_service import UNREACHABLE, offline  # noqa: F401
from harness.paths import program
from harness.postgres import Postgres

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


def call(folder, name, *args, env=None):
    """A program in `folder`, with no configuration named."""
    done = subprocess.run(
        [program(name), *map(str, args)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**{k: v for k, v in os.environ.items() if k != "ROLLCALL_CONFIG"}, **(env or {})},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def here(tmp_path):
    """A working directory with a configuration that is the caller's alone."""
    folder = tmp_path / "here"
    folder.mkdir(mode=0o755)
    Service(folder, "dbname=x", UNREACHABLE)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def test_a_configuration_of_ones_own_is_found_in_the_working_directory(here):
    code, said = call(here, "rollcall", "config", "print")
    assert code == 0, said
    code, said = call(here, "rollcall-worker", "--check-config")
    assert (code, said) == (0, "rollcall.cfg: valid\n")


OPEN = {
    "the file belongs to another user": lambda f: os.chown(f / "rollcall.cfg", NOBODY, NOBODY),
    "the folder belongs to another user": lambda f: os.chown(f, NOBODY, NOBODY),
    "others may write the file": lambda f: (f / "rollcall.cfg").chmod(0o666),
    "a group may write the file": lambda f: (f / "rollcall.cfg").chmod(0o664),
    "others may write the folder": lambda f: f.chmod(0o777),
    "others may put files into the folder": lambda f: f.chmod(0o1777),
    "a folder above belongs to another user": lambda f: os.chown(f.parent, NOBODY, NOBODY),
    "it is a link to a file of another user": lambda f: (
        os.rename(f / "rollcall.cfg", f / "x"),
        os.chown(f / "x", NOBODY, NOBODY),
        os.symlink("x", f / "rollcall.cfg"),
    ),
    "it includes a file of another user": lambda f: (
        (f / "part.cfg").write_text('log = { level = "warn"; };\n'),
        os.chown(f / "part.cfg", NOBODY, NOBODY),
        (f / "rollcall.cfg").write_text(
            (f / "rollcall.cfg").read_text() + '\n@include "part.cfg"\n'
        ),
    ),
}


@as_root
@pytest.mark.parametrize("change", OPEN)
def test_a_configuration_that_others_can_write_is_refused_unless_it_is_named(here, change):
    OPEN[change](here)
    for name, args in (
        ("rollcall", ["config", "print"]),
        ("rollcall-worker", ["--check-config"]),
        ("rollcall-scheduler", []),
        ("rollcall-aggregator", []),
    ):
        code, said = call(here, name, *args)
        assert code == 3 and "./rollcall.cfg was found here" in said and "not trusted" in said, said
    assert call(here, "rollcall", "config", "print", "-c", "rollcall.cfg")[0] == 0
    assert (
        call(here, "rollcall", "config", "print", env={"ROLLCALL_CONFIG": "rollcall.cfg"})[0] == 0
    )


@as_root
@pytest.mark.parametrize(
    "path", ["guild", "guild/pack.cfg", "schemas", "schemas/a.avsc", "guild/due.sql"]
)
def test_root_takes_no_pack_or_schema_of_others_by_a_configuration_that_nobody_named(here, path):
    (here / "schemas").mkdir()
    (here / "schemas/a.avsc").write_text("{}")
    (here / "rollcall.cfg").write_text(
        (here / "rollcall.cfg").read_text() + 'schemas = { folder = "schemas"; };\n'
    )
    if path == "guild/due.sql":
        path = next(str(p.relative_to(here)) for p in (here / "guild").rglob("*.sql"))
    assert call(here, "rollcall-worker", "--check-config")[0] == 0
    os.chown(here / path, NOBODY, NOBODY)
    code, said = call(here, "rollcall-worker", "--check-config")
    assert code == 3 and "belongs to another user" in said and Path(path).name in said, said
    assert call(here, "rollcall-worker", "--check-config", "-c", "rollcall.cfg")[0] == 0


@pytest.mark.parametrize(
    "name",
    [
        "plugin.library.paths",
        "sasl.kerberos.kinit.cmd",
        "ssl.engine.location",
        "ssl.providers",
        "error_cb",
        "opaque",
    ],
)
def test_properties_that_load_code_are_refused_with_their_line(here, name):
    text = (
        (here / "rollcall.cfg")
        .read_text()
        .replace('prefix = "', f'properties = [\n"client.rack=a",\n"{name}=/tmp/x"]; prefix = "')
    )
    (here / "rollcall.cfg").write_text(text)
    line = 1 + text[: text.index(name)].count("\n")
    for program_name in ("rollcall-worker", "rollcall-scheduler", "rollcall-aggregator"):
        code, said = call(here, program_name)
        assert (
            code == 3 and f"rollcall.cfg:{line}: kafka.properties[1]: {name} loads code" in said
        ), said


def test_a_password_for_kafka_needs_tls_or_a_word(here):
    plain = (here / "rollcall.cfg").read_text()
    secret = here / "kafka-password"
    secret.write_text("hunter2\n")
    secret.chmod(0o600)

    def tried(more):
        (here / "rollcall.cfg").write_text(plain.replace('prefix = "', f'{more} prefix = "'))
        return call(here, "rollcall", "config", "print")

    given = 'secret_files = [ "sasl.password=kafka-password" ];'
    code, said = tried(given)
    assert code == 3 and "does not encrypt" in said and "kafka.allow_plaintext = true" in said
    assert tried(given + ' properties = [ "security.protocol=sasl_plaintext" ];')[0] == 3
    for more in (" allow_plaintext = true;", ' properties = [ "security.protocol=SASL_SSL" ];'):
        code, said = tried(given + more)
        assert code == 0 and "kafka-password" in said and "hunter2" not in said, said


def test_a_secret_of_kafkas_comes_from_a_file_that_is_looked_at(here):
    plain = (here / "rollcall.cfg").read_text()
    (here / "rollcall.cfg").write_text(
        plain.replace(
            'prefix = "',
            'properties = [ "security.protocol=sasl_ssl", "sasl.mechanisms=PLAIN",'
            ' "sasl.username=u" ]; secret_files = [ "sasl.password=p" ]; prefix = "',
        )
    )
    (here / "p").write_text("hunter2\n")
    (here / "p").chmod(0o644)
    code, said = call(here, "rollcall", "topics", "apply")
    assert code == 3 and "kafka.secret_files: p: its mode is 644" in said, said
    (here / "p").chmod(0o600)
    code, said = call(here, "rollcall", "topics", "apply")
    assert code == 4 and "no broker of" in said and "hunter2" not in said, said
    if os.geteuid() == 0:
        os.chown(here / "p", NOBODY, NOBODY)
        code, said = call(here, "rollcall", "topics", "apply")
        assert code == 3 and "belongs to user id 65534" in said, said
    shutil.rmtree(here / "guild")


@pytest.mark.parametrize("name", ["rollcall-worker", "rollcall-scheduler", "rollcall-aggregator"])
def test_help_is_printed_once(tmp_path, name):
    code, said = call(tmp_path, name, "--help")
    assert code == 0
    for part in (f"Usage: {name} ", "--config FILE", "Exit status:", "SIGHUP"):
        assert said.count(part) == 1, part


# ---- PostgreSQL ----
@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    """A PostgreSQL server with a certificate."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            folder / "key",
            "-out",
            folder / "cert",
        ],
        check=True,
        capture_output=True,
    )
    made = Path("/tmp") / f"rollcall-tls-{os.getpid()}"
    shutil.copytree(folder, made)
    (made / "key").chmod(0o600)
    if os.geteuid() == 0:
        shutil.chown(made / "key", "postgres")
    made.chmod(0o755)
    server = Postgres(
        settings={"ssl": "on", "ssl_cert_file": made / "cert", "ssl_key_file": made / "key"}
    )
    server.certificate = made / "cert"
    yield server
    server.close()
    shutil.rmtree(made)


def checked(here, conninfo, more="", env=None):
    """What `check` says of the database's connection."""
    text = (here / "rollcall.cfg").read_text()
    (here / "rollcall.cfg").write_text(
        text.replace('conninfo = "dbname=x";', f'conninfo = "{conninfo}"; {more}')
    )
    said = call(here, "rollcall", "check", "--offline", env=env)[1]
    (here / "rollcall.cfg").write_text(text)
    return [line for line in said.splitlines() if line[5:].startswith("database")], said


NO_TLS = "a password needs TLS"


def test_a_password_for_postgresql_goes_over_tls_or_a_socket_only(here, database, monkeypatch):
    tcp, socket = database.conninfo_tcp, database.conninfo
    for name in ("PGPASSWORD", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)
    (here / "p").write_text("hunter2\n")
    (here / "p").chmod(0o600)
    (here / "passfile").write_text("*:*:*:*:hunter2\n")
    (here / "passfile").chmod(0o600)
    for conninfo, more, env in (
        (f"{tcp} password=hunter2", "", {}),
        (tcp, 'password_file = "p";', {}),
        (tcp, "", {"PGPASSWORD": "hunter2"}),
        (f"{tcp} passfile={here}/passfile", "", {}),
    ):
        lines, said = checked(here, conninfo, more, env)
        assert lines[0].startswith("FAIL") and NO_TLS in lines[0] and "hunter2" not in said, said
        for word in ("disable", "prefer", "allow"):
            assert checked(here, f"{conninfo} sslmode={word}", more, env)[0][0].startswith("ok"), (
                word
            )
            assert checked(here, conninfo, more, {**env, "PGSSLMODE": word})[0][0].startswith(
                "ok"
            ), word
    for conninfo, more in (
        (tcp, ""),
        (socket, ""),
        (f"{socket} password=hunter2", ""),
        (socket, 'password_file = "p";'),
    ):
        assert checked(here, conninfo, more)[0][0].startswith("ok"), conninfo


def test_a_password_for_postgresql_goes_over_tls_by_itself(here, encrypted):
    conninfo = encrypted.conninfo("postgres", tcp=True) + " password=hunter2"
    assert checked(here, conninfo)[0][0].startswith("ok")
    lines, _ = checked(
        here, f"{conninfo} sslrootcert={encrypted.certificate}"
    )  # of another name than 127.0.0.1
    assert lines[0].startswith("FAIL") and "127.0.0.1" in lines[0], lines
    named = conninfo.replace("host=127.0.0.1", "host=localhost hostaddr=127.0.0.1")
    assert checked(here, f"{named} sslrootcert={encrypted.certificate}")[0][0].startswith("ok")


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://u:hun ter2@127.0.0.1:1/d",
        "postgresql://u:x@hunter2@127.0.0.1:1/d",
        "postgresql://u:hunter2/x@127.0.0.1:1/d",
        "host=h password='hunter2' hots=x",
        "password=hunter2 port=x",
        "postgresql://127.0.0.1:1/d?password=hunter2",
        "host=127.0.0.1 port=1 password=hunter2",
        "password='hunter2",
        "postgresql://u:hunter2@127.0.0.1:port/d",
        "postgresql://u:%zzhunter2@h/d",
    ],
)
def test_no_message_shows_a_password_of_the_database(here, conninfo):
    for secret in ("hunter2", "hun ter2"):
        if secret in conninfo:
            _, said = checked(here, conninfo)
            assert "FAIL database" in said and secret not in said, said
            text = (here / "rollcall.cfg").read_text()
            (here / "rollcall.cfg").write_text(
                text.replace('conninfo = "dbname=x"', f'conninfo = "{conninfo}"')
            )
            assert secret not in call(here, "rollcall", "config", "print")[1]
            (here / "rollcall.cfg").write_text(text)


@pytest.mark.parametrize(
    "url",
    [
        "smtp://u:hunter2@127.0.0.1:1",
        "smtp://u:hun/ter2@127.0.0.1:1",
        "smtp://u:x@hunter2@127.0.0.1:1",
        "smtp://u:hunter2@nowhere.invalid",
    ],
)
def test_no_message_shows_a_password_of_the_relay(here, url):
    text = (here / "rollcall.cfg").read_text()
    (here / "rollcall.cfg").write_text(
        text.replace(
            'transport = "maildir"; maildir = "mail";', f'url = "{url}"; connect_timeout = "1s";'
        )
    )
    for args in (["check"], ["config", "print"], ["check", "--json"]):
        _, said = call(here, "rollcall", *args)
        assert "mail" in said and "hunter2" not in said and "ter2" not in said, said


# ---- durability ----
@pytest.fixture(scope="module")
def durable():
    server = Postgres(fsync=True, settings={"shared_buffers": "16MB"})
    yield server
    server.close()


@pytest.mark.parametrize(
    "settings, named",
    [
        ({}, None),
        ({"synchronous_commit": "off"}, "synchronous_commit"),
        ({"synchronous_commit": "local"}, None),
        ({"synchronous_commit": "local", "synchronous_standby_names": "*"}, "synchronous_commit"),
        ({"fsync": "off"}, "fsync"),
        ({"full_page_writes": "off"}, "full_page_writes"),
        ({"default_transaction_read_only": "on"}, "default_transaction_read_only"),
    ],
)
def test_check_fails_where_commits_can_be_forgotten(here, durable, settings, named):
    def change(pairs):
        with durable.connect() as db:
            db.execute("set synchronous_commit = local")  # no standby will come
            db.execute("alter system reset all")
            for name, value in pairs.items():
                db.execute(f"alter system set {name} = '{value}'")
            db.execute("select pg_reload_conf()")
        expected = {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "default_transaction_read_only": "off",
            "synchronous_standby_names": "",
            **pairs,
        }
        durable.process.wait_until(
            lambda: all(settled(name) == value for name, value in expected.items())
        )

    def settled(name):
        with durable.connect() as db:
            return db.execute(f"show {name}").fetchone()[0]

    def lines():
        out = service_of(here, durable)[1]
        return [line for line in out.splitlines() if " durability: " in line]

    change(settings)
    try:
        found = lines()
        assert [line[:4] for line in found] == (["FAIL"] if named else ["ok  "]), found
        if named:
            assert named in found[0]
            (here / "rollcall.cfg").write_text(
                (here / "rollcall.cfg")
                .read_text()
                .replace("allow_data_loss = false", "allow_data_loss = true")
            )
            meant = service_of(here, durable, "allow_data_loss = true")[1]
            loss = named != "default_transaction_read_only"
            assert f"{'note' if loss else 'FAIL'} durability: {named}" in meant, meant
    finally:
        change({})


def service_of(here, server, more="allow_data_loss = false"):
    text = (here / "rollcall.cfg").read_text()
    (here / "rollcall.cfg").write_text(
        text.replace(
            'conninfo = "dbname=x";', f'conninfo = "{server.conninfo("postgres")}";'
        ).replace("allow_data_loss = true", more)
    )
    try:
        return call(here, "rollcall", "check", "--offline")
    finally:
        (here / "rollcall.cfg").write_text(text)


def test_check_notes_a_role_whose_commits_can_be_forgotten(here, durable):
    with durable.connect() as db:
        db.execute("create role careless; alter role careless set synchronous_commit = off")
    said = service_of(here, durable)[1]
    assert (
        "note durability: careless: has synchronous_commit=off" in said
        and "ok   durability" in said
    ), said


def test_check_before_db_apply_says_so_once(here, durable):
    code, said = service_of(here, durable)
    fails = [line for line in said.splitlines() if line.startswith("FAIL")]
    assert code == 1 and len(fails) == 1 and "run: rollcall db apply" in fails[0], said


def test_check_looks_at_every_table_of_the_catalogue(offline, database):
    offline.rollcall("db", "apply")
    names = [
        n
        for (n,) in database.rows(
            "select relname from pg_class where relnamespace = 'rollcall'::regnamespace and relkind"
            " in ('r', 'p') and not relispartition"
        )
    ]
    assert {"held", "log_gap", "schema_version", "request"} <= set(names)
    assert "may read and write all of its" in offline.rollcall("check", "--offline")
    database.execute(
        "drop role if exists reader; create role reader login; grant usage, create on schema"
        " rollcall to reader; grant select on all tables in schema rollcall, public to reader"
    )
    offline.conninfo = offline.conninfo.replace("user=rollcall", "user=reader")
    offline.write()
    out = offline.rollcall("check", "--offline", code=1)
    for name in names:
        assert f"FAIL privileges: {name}: reader may not DELETE" in out, name
    database.execute("drop owned by reader; drop role reader")
    offline.conninfo = offline.conninfo.replace("user=reader", "user=rollcall")
    offline.write()
    database.execute("drop table rollcall.held cascade")
    assert "rollcall.held is missing although" in offline.rollcall("check", "--offline", code=1)


def test_a_mistyped_command_without_a_configuration_is_a_matter_of_usage(tmp_path):
    code, said = call(
        tmp_path, "rollcall", "nonsense", env={"ROLLCALL_CONFIG": str(tmp_path / "none.cfg")}
    )
    assert code == 2 and said.count("\n") == 1 and 'there is no command "nonsense"' in said, said
    (tmp_path / "none.cfg").write_text("kafka = {\n")
    assert (
        call(tmp_path, "rollcall", "nonsense", env={"ROLLCALL_CONFIG": str(tmp_path / "none.cfg")})[
            0
        ]
        == 3
    )

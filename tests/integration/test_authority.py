# SPDX-License-Identifier: Apache-2.0
"""Who may request what: roles that a type or a command requires, acting for somebody else,
arguments that nobody can give.
"""

import re
import uuid

import psycopg
import pytest
from cli_pack import PACK_CFG, run
from cli_service import offline, service  # noqa: F401
from harness.postgres import USER
from request_service import Requests
from test_intake import filed, intake, put_tasks, taken
from worker_pack import PACK_CFG as CLUB_CFG
from worker_pack import adhoc
from worker_service import make_service  # noqa: F401


class Person:
    """A database user with an operator's rights, and roles that it may be given."""

    def __init__(self, database, service):
        self.database, self.service = database, service
        self.name, self.role = (f"{kind}_{uuid.uuid4().hex[:8]}" for kind in ("eva", "chief"))
        database.execute(
            f"create role {self.role} nologin; create role {self.name} login; grant usage on schema"
            f" rollcall to {self.name}; grant select on all tables in schema rollcall, public to"
            f" {self.name}; grant execute on all functions in schema rollcall to {self.name}"
        )

    def become_member(self):
        self.database.execute(f"grant {self.role} to {self.name}")

    def rollcall(self, *args, code=0):
        path = self.service.folder / "eva.cfg"
        path.write_text(self.service.file.read_text().replace(f"user={USER}", f"user={self.name}"))
        assert self.name in path.read_text()
        out, self.err, got = run("--config", path, *args)
        assert got == code, f"{args}: {got}\n{out}\n{self.err}"
        return out

    def close(self):
        for name in self.name, self.role:
            self.database.execute(f"drop owned by {name}; drop role {name}")


@pytest.fixture
def eva(service, database):
    person = Person(database, service)
    yield person
    person.close()


def require(eva, type_role="", command_role=""):
    """Puts roles into the pack, and applies it."""
    cfg = PACK_CFG
    if type_role:
        cfg = cfg.replace(
            'name = "promote"; action', f'name = "promote"; requires_role = "{type_role}"; action'
        )
    if command_role:
        cfg = cfg.replace(
            'task_type = "promote";', f'task_type = "promote"; requires_role = "{command_role}";'
        )
    eva.service.add_pack("guild", cfg)
    eva.service.rollcall("db", "apply")


def test_check_finds_roles_that_are_not_there(eva):
    require(eva, "none_such", "none_other")
    said = eva.service.rollcall("check", "--offline", code=1)
    assert re.search(
        r'FAIL task type: guild.promote: requires_role is "none_such", and the database has no such'
        r" role",
        said,
    ), said
    assert re.search(r'FAIL command: guild.promote: requires_role is "none_other"', said)
    require(eva, eva.role, eva.role)
    said = eva.service.rollcall("check", "--offline")
    assert said.count(f'is for members of the role "{eva.role}"') == 2
    eva.service.add_pack(
        "guild",
        PACK_CFG.replace('task_type = "promote";', 'task_type = "promote"; requires_role = "";'),
    )
    assert "the name of a database role" in eva.service.rollcall("check", "--offline", code=1)


def test_a_command_may_need_more_than_its_type(eva, database):
    require(eva, command_role=eva.role)
    eva.rollcall("promote", "ana", "--new-level", "gold", "--yes", "--timeout", "1s", code=7)
    assert f'promote needs the role "{eva.role}", which {eva.name} is not a member of' in eva.err
    assert database.rows("select 1 from rollcall.request") == []
    eva.become_member()
    eva.rollcall(
        "promote", "ana", "--new-level", "gold", "--yes", "--timeout", "500ms", code=6
    )  # nobody works here
    assert database.rows("select actor, dry_run from rollcall.request") == [(eva.name, True)]


def test_acting_for_others_is_granted_by_name(eva, database):
    eva.service.extra = f'security = {{ act_for_others = [ "{eva.role}" ]; }};'
    eva.service.write()
    eva.service.rollcall("db", "apply")

    def submit(**how):
        return eva.rollcall(
            "tasks", "submit", "--type", "lapse", "--subject", "1", "--actor", "bob", "--yes", **how
        )

    submit(code=7)
    assert (
        f"{eva.name} may not act for others" in eva.err
        and database.rows("select 1 from rollcall.request") == []
    )
    eva.become_member()
    submit()
    eva.rollcall("jobs", "suspend", "nightly", "--actor", "bob", "--reason", "audit")
    eva.rollcall("jobs", "run", "by-hand", "--actor", "bob", "--yes")
    asked = database.value("select run_id::text from rollcall.run")
    assert f"by {eva.name} for bob" in eva.rollcall("runs", "show", asked)
    eva.rollcall("runs", "cancel", asked, "--actor", "bob", "--reason", "wrong day", "--yes")
    both = f"{eva.name} for bob"
    assert database.value("select suspended_by from rollcall.job where job = 'nightly'") == both
    assert database.rows("select requested_by, requested_for, reason from rollcall.run") == [
        (eva.name, "bob", f"by {both}: wrong day")
    ]
    assert set(database.rows("select actor, on_behalf_of from rollcall.request")) == {
        (eva.name, "bob")
    }
    eva.rollcall("jobs", "suspend", "nightly", "--actor", eva.name)
    assert (
        database.value("select suspended_by from rollcall.job where job = 'nightly'") == eva.name
    ), "nobody acts for themselves"


@pytest.mark.parametrize("wish", ["replay", "drop"])
def test_what_is_parked_needs_the_role_too(eva, database, wish):
    require(eva, type_role=eva.role)
    database.execute(
        "insert into rollcall.held (source_no, src_offset, topic, subject, state, task_id, day,"
        " run_no, type_no, item, tries) select 1, 1, 't', '1', 'quarantined', gen_random_uuid(),"
        " '-infinity', 0, type_no, '', 5 from rollcall.task_type where name = 'guild.promote'"
    )
    eva.rollcall("quarantine", wish, "--all", "--yes", code=7)
    assert f'guild.promote needs the role "{eva.role}"' in eva.err
    assert (
        database.rows("select state, requested_by from rollcall.held") == [("quarantined", None)]
        and database.rows("select 1 from rollcall.request") == []
    )
    eva.become_member()
    eva.rollcall("quarantine", wish, "--all", "--yes")
    assert database.rows("select state, requested_by from rollcall.held") == [(wish, eva.name)]


BOUND = CLUB_CFG.replace(
    '{ name = "days"; type = "integer"; required = true;',
    '{ name = "by"; type = "text"; from = "actor"; }, { name = "days"; type = "integer"; required ='
    " true;",
)
FILLED_IN = "argument by is filled in with who asks: it cannot be given"


def test_an_argument_from_the_actor_cannot_be_given(make_service, broker):
    """On the lane, through an intake topic, or by a request."""
    service = make_service(
        broker,
        people=3,
        pack_cfg=BOUND,
        more=intake(("hr-portal", ["club.grant"], "rate = 1000; open_max = 1000;")),
        lanes='[ "intake", "urgent" ]',
    )
    service.start()
    forged, honest = adhoc("club.grant", 1, days="3", by="boss"), adhoc("club.grant", 2, days="3")
    service.send([forged, honest], "urgent")
    service.wait(lambda: service.database.value("select count(*) from rollcall.outcome_adhoc") == 2)
    assert dict(
        service.database.rows(
            "select subject, reason from rollcall.outcome_adhoc where outcome = 2"
        )
    ) == {"1": FILLED_IN}
    asked = adhoc("club.grant", 3, days="3", by="boss")
    put_tasks(service, [asked])
    service.wait(lambda: taken(service) == 1)
    assert filed(service) == {} and [
        reason for (reason,) in service.database.rows("select reason from rollcall.dead_letter")
    ] == [f"refused: {FILLED_IN}"]
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege,
        match="by is filled in with who asks, and cannot be given",
    ):
        Requests.file(service, [1], "grant", arguments=['{"days": "3", "by": "boss"}'])


FOR_OTHERS = BOUND.replace('from = "actor";', 'from = "actor"; for_others = true;')


def test_an_argument_for_others_needs_the_right(make_service, broker):  # noqa: F811
    """One's own name, or another's by who may act for others; never by a service."""
    service = make_service(
        broker,
        people=3,
        pack_cfg=FOR_OTHERS,
        more=intake(("hr-portal", ["club.grant"], "rate = 1000; open_max = 1000;")),
        lanes='[ "intake", "urgent" ]',
    )
    service.start()
    me = service.database.value("select session_user::text")
    put_tasks(service, [adhoc("club.grant", 3, days="3", by="boss")])
    service.wait(lambda: taken(service) == 1)
    assert filed(service) == {} and service.database.rows(
        "select reason from rollcall.dead_letter"
    ) == [("refused: argument by is filled in with who asks: a service cannot give it",)]
    as_boss = ['{"days": "3", "by": "boss"}']
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"{me} may not act for others"):
        Requests.file(service, [1], "grant", arguments=as_boss)
    Requests.file(service, [1], "grant", arguments=[f'{{"days": "3", "by": "{me}"}}'])
    service.database.execute(
        "insert into rollcall.authority values ('act_for_others', session_user)"
    )
    Requests.file(service, [2], "grant", arguments=as_boss)
    assert service.database.rows(
        "select actor, arguments[1]::jsonb ->> 'by' from rollcall.request"
        " where origin = 'operator' order by request_no"
    ) == [(me, me), (me, "boss")]


@pytest.mark.parametrize(
    "text, said",
    [
        ("\x01", r"rollcall\.cfg:\d+:\d+: found a control character \(0x01\)"),
        ("\x7f", r"found a control character \(0x7f\)"),
        ("\x1b[31m", r"found a control character \(0x1b\)"),
        ("\\x1b", r"found \\x1b, expected no control character"),
        ("\\x00", r"found \\x00, expected"),
    ],
)
@pytest.mark.parametrize("pack", [False, True])
def test_no_control_character_in_a_configuration(service, text, said, pack):
    if pack:
        service.add_pack("guild", PACK_CFG.replace("The guild", f"The {text}guild", 1))
    else:
        service.file.write_text(
            service.file.read_text().replace('maildir = "mail"', f'maildir = "ma{text}il"')
        )
    service.rollcall("jobs", "list", code=3)
    assert re.search(said.replace("rollcall", "pack" if pack else "rollcall"), service.err), (
        service.err
    )
    assert text not in service.err or text.startswith("\\")

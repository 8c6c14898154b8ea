# SPDX-License-Identifier: Apache-2.0
"""A small pack and a service around it, as files in a test's folder: what the operator's tool is
tried on.
"""

import json
import os
import subprocess
from pathlib import Path

from harness.paths import program

TABLES = """
create table member (id bigint primary key, name text not null unique, email text not null
    default '', level text not null default 'basic',
                     paid_until date, is_staff boolean not null default false);
insert into member (id, name, email, paid_until) values (1, 'ana', 'ana@example.org', '2026-01-31'),
    (2, 'bjørn', '', null), (3, 'carl', 'c@example.org', '2026-01-01');
"""

PACK_CFG = """
name = "guild"; title = "The guild"; time_zone = "Europe/Oslo"; search_path = "public";
    subject_type = "integer";
schema = "sql/schema.sql";
mail = { from_address = "guild@example.org"; from_name = "The guild"; };
settings = ( { name = "grace_days"; type = "integer";
    default = 0; min = 0; max = 90; help = "days after the end"; } );
task_types = (
  { name = "lapse"; action = "sql"; due = "sql/lapse.due.sql"; statement = "sql/lapse.sql"; },
  { name = "remind"; action = "email"; due = "sql/remind.due.sql"; statement = "sql/remind.sql";
      record = "sql/remind.record.sql";
    email = { subject = "Dear {{name}}"; text = "templates/remind.txt";
        html = "templates/remind.html"; }; },
  { name = "promote"; action = "sql"; lane = "urgent"; statement = "sql/promote.sql";
    arguments = ( { name = "new_level"; type = "text"; required = true; values = [ "basic",
        "gold" ]; help = "the new level"; },
                  { name = "days"; type = "integer";
                      default = 10; min = 1; max = 100; help = "how long"; },
                  { name = "force"; type = "boolean"; default = "false"; help = "also staff"; } ); }
);
jobs = (
  { name = "nightly"; help = "lapses members"; schedule = "30 2 * * *"; tasks = [ "lapse" ];
      requires = "sql/requires.sql"; },
  { name = "reminders"; schedule = "0 8 * * 1"; time_zone = "America/Sao_Paulo";
      tasks = [ "remind" ]; suspend = true; },
  { name = "by-hand"; tasks = [ "lapse" ]; settings = { grace_days = "7"; }; }
);
commands = ( { name = "promote"; help = "give a member another level"; task_type = "promote";
    subject = "MEMBER"; lookup = "sql/find.sql"; confirm = true; } );
reports = ( { name = "levels"; title = "LEVELS"; help = "members by level";
    statement = "sql/report.sql";
              parameters = ( { name = "at_least"; type = "integer";
                  default = 0; min = 0; max = 100; help = "levels with so many members"; } ); },
            { name = "status"; title = "GUILD NOW"; statement = "sql/status.sql"; } );
"""

FILES = {
    "sql/schema.sql": "create table if not exists guild_log (member bigint, said text);",
    "sql/lapse.due.sql": (
        "select id as subject from member where paid_until < :today - :grace_days::int and level <>"
        " 'lapsed'"
    ),
    "sql/lapse.sql": (
        """
due as (select m.id from member m join batch b on b.subject = m.id where m.paid_until < :today
    and m.level <> 'lapsed' order by m.id for update of m),
changed as (update member m set level = 'lapsed' from due where m.id = due.id returning m.id),
effect as (select id as subject, 'applied'::text as outcome, ''::text as reason,
    null::text as before, 'lapsed'::text as after from changed)"""
    ),
    "sql/remind.due.sql": (
        "select id as subject, paid_until::text as item from member where paid_until is not null"
    ),
    "sql/remind.sql": (
        """
effect as (select m.id as subject, b.item, case when m.email = '' then 'failed'
    else 'send' end as outcome, 'no address'::text as reason,
                  m.email as to_address, m.name as to_name, m.name, to_char(m.paid_until,
                      'DD/MM/YYYY') as until
           from member m join batch b on b.subject = m.id)"""
    ),
    "sql/remind.record.sql": (
        "noted as (insert into guild_log (member, said) select subject, 'reminded ' || item ||"
        " sent_at::text from batch)"
    ),
    "sql/promote.sql": (
        """
found as (select m.id, m.level, m.is_staff, b.new_level, b.days, b.force from member m
    join batch b on b.subject = m.id order by m.id for update of m),
changed as (update member m set level = f.new_level from found f where m.id = f.id
    and (not f.is_staff or f.force) and m.level <> f.new_level returning m.id),
effect as (select f.id as subject, case when c.id is null then 'skipped'
    else 'applied' end as outcome,
                  case when c.id is not null then 'promoted for ' || f.days || ' days'
                      when f.level = f.new_level then 'has that level'
                      else 'is staff' end as reason,
                  f.level as before, f.new_level as after
           from found f left join changed c on c.id = f.id)"""
    ),
    "sql/requires.sql": (
        "select exists (select from member) as ok, 'there are no members'::text as reason"
    ),
    "sql/find.sql": (
        "select id as subject, name, level, paid_until from member where name = :subject"
    ),
    "sql/report.sql": (
        "select json_build_object('levels', (select json_agg(l) from (select level, count(*) as"
        " members from member group by level having count(*) >= :at_least order by level) l))"
    ),
    "sql/status.sql": "select json_build_object('members', count(*)) from member",
    "templates/remind.txt": "Dear {{name}},\nyour membership ends on {{until}}.\n",
    "templates/remind.html": "<p>Dear {{name}}, until {{until}}</p>\n",
}


class Service:
    """A configuration with packs; `rollcall(...)` runs the tool on it."""

    def __init__(self, folder, conninfo, brokers, prefix="t", partitions=2):
        self.folder = Path(folder)
        self.conninfo, self.brokers, self.prefix, self.partitions = (
            conninfo,
            brokers,
            prefix,
            partitions,
        )
        self.packs = []
        self.extra = ""
        self.add_pack("guild", PACK_CFG)

    def add_pack(self, name, cfg, **files):
        pack = self.folder / name
        for path, text in {**FILES, **files}.items():
            (pack / path).parent.mkdir(parents=True, exist_ok=True)
            (pack / path).write_text(text)
        (pack / "pack.cfg").write_text(cfg)
        if name not in self.packs:
            self.packs.append(name)
        self.write()
        return pack

    @property
    def pack(self):
        return self.folder / "guild"

    @property
    def file(self):
        return self.folder / "rollcall.cfg"

    @property
    def reports(self):
        return self.folder / "reports"

    def write(self):
        self.reports.mkdir(exist_ok=True)
        packs = ", ".join(f'{{ path = "{name}"; }}' for name in self.packs)
        self.file.write_text(f"""
database = {{ conninfo = "{self.conninfo}"; connect_timeout = "2s"; allow_data_loss = true; }};
kafka = {{ brokers = "{self.brokers}"; prefix = "{self.prefix}"; partitions = {self.partitions};
    session_timeout = "6s"; }};
mail = {{ transport = "maildir"; maildir = "mail"; }};
reports = {{ folder = "reports"; }};
{self.extra}
packs = ( {packs} );
""")

    def rollcall(self, *args, code=0, text=None, timeout=60):
        """Standard output of a call that ended with `code`."""
        out, err, got = run("--config", self.file, *args, text=text, timeout=timeout)
        assert got == code, f"rollcall {args}: {got}\n{out}\n{err}"
        self.err = err
        return out

    def json(self, *args, code=0):
        return json.loads(self.rollcall(*args, "--json", code=code))

    def lines(self, *args, code=0):
        return [json.loads(line) for line in self.rollcall(*args, "--json", code=code).splitlines()]


def run(*args, text=None, timeout=60, env=None):
    done = subprocess.run(
        [program("rollcall"), *map(str, args)],
        input=text if text is not None else "",
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "ROLLCALL_CONFIG": "/nonexistent/rollcall.cfg", **(env or {})},
    )
    return done.stdout, done.stderr, done.returncode

# SPDX-License-Identifier: Apache-2.0
"""Runs a pack's SQL as the engine does, without the engine: `:name` becomes a typed parameter,
the WITH list is put behind `batch`, the
transaction is rolled back for a dry run. Proves that a pack is right when nothing else is built
yet. The engine's own composition is
common/ledger/compose.c, which also refuses wrong answers and asks what a type requires: tests of
those drive a worker.
"""

import re
import uuid
from pathlib import Path
from zoneinfo import ZoneInfo

from psycopg.rows import dict_row

REPO = Path(__file__).resolve().parents[2]
SQL_TYPE = {
    "text": "text",
    "integer": "bigint",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamptz",
    "uuid": "uuid",
    "integer[]": "bigint[]",
    "text[]": "text[]",
}
ENGINE = {
    "now": "timestamptz",
    "today": "date",
    "time_zone": "text",
    "actor": "text",
    "run_id": "uuid",
    "dry_run": "boolean",
}
OPAQUE = r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|::"


def read_cfg(text):
    """libconfig, as far as packs use it."""
    tokens = re.findall(
        r'#[^\n]*|//[^\n]*|"(?:\\.|[^"\\])*"|[A-Za-z*][\w*-]*|-?\d+L?|[{}()\[\]=:;,]', text
    )
    tokens = [t for t in tokens if not t.startswith(("#", "//"))]
    at = 0

    def value():
        nonlocal at
        t = tokens[at]
        at += 1
        if t == "{":
            made = group("}")
            at += 1
            return made
        if t in "([":
            end = ")" if t == "(" else "]"
            made = []
            while tokens[at] != end:
                made.append(value())
                if tokens[at] == ",":
                    at += 1
            at += 1
            return made
        if t.startswith('"'):
            text = t[1:-1].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
            while tokens[at].startswith('"'):
                text += tokens[at][1:-1]
                at += 1
            return text
        return (
            {"true": True, "false": False}.get(t.lower(), t) if t.isalpha() else int(t.rstrip("L"))
        )

    def group(end):
        nonlocal at
        made = {}
        while at < len(tokens) and tokens[at] != end:
            key = tokens[at]
            assert tokens[at + 1] in "=:", f"{key}: {tokens[at + 1]}"
            at += 2
            assert key not in made, f"{key} twice"
            made[key] = value()
            if at < len(tokens) and tokens[at] in ";,":
                at += 1
        return made

    return group(None)


def by_name(cfg, key):
    made = {entry["name"]: entry for entry in cfg.get(key, [])}
    assert len(made) == len(cfg.get(key, [])), f"a name stands twice in {key}"
    return made


class Pack:
    def __init__(self, name, conn):
        self.folder = REPO / "config/packs" / name  # an absolute path stays as it is
        self.cfg = read_cfg((self.folder / "pack.cfg").read_text())
        self.zone = ZoneInfo(self.cfg["time_zone"])
        self.types, self.jobs = by_name(self.cfg, "task_types"), by_name(self.cfg, "jobs")
        self.commands, self.reports = by_name(self.cfg, "commands"), by_name(self.cfg, "reports")
        self.settings = by_name(self.cfg, "settings")
        self.conn = conn

    def file(self, path):
        return (self.folder / path).read_text()

    def bind(self, text, extra=()):
        """`:name` -> %(name)s::type, and the names that were used."""
        types = {
            **ENGINE,
            **{n: SQL_TYPE[s["type"]] for n, s in self.settings.items()},
            **dict(extra),
        }
        used = set()

        def replace(m):
            if m["name"] is None:
                return m[0].replace("%", "%%")
            assert m["name"] in types, f":{m['name']} is neither an engine's name nor a setting"
            used.add(m["name"])
            return f"(%({m['name']})s::{types[m['name']]})"

        return re.sub(OPAQUE + r"|:(?P<name>[a-z_]\w*)|%", replace, text, flags=re.S), used

    def values(self, now, settings=None, run_id=None, dry_run=False, actor="test", **extra):
        unknown = set(settings or {}) - set(self.settings)
        assert not unknown, unknown
        return {
            "now": now,
            "today": now.astimezone(self.zone).date(),
            "time_zone": self.cfg["time_zone"],
            "actor": actor,
            "run_id": run_id,
            "dry_run": dry_run,
            **{n: s["default"] for n, s in self.settings.items()},
            **(settings or {}),
            **extra,
        }

    def query(self, sql, values, rollback=False, names=()):
        bound, _ = self.bind(sql, names)
        with (
            self.conn.transaction(force_rollback=rollback),
            self.conn.cursor(row_factory=dict_row) as cursor,
        ):
            cursor.execute(f"set local search_path = {self.cfg['search_path']}")
            cursor.execute(bound, values)
            return cursor.fetchall() if cursor.description else []

    def due(self, task_type, now, **options):
        """[(subject, item)]: who would get a task, sorted."""
        sql = self.file(self.types[task_type]["due"])
        return sorted(
            (r["subject"], r.get("item", ""))
            for r in self.query(sql, self.values(now, **options), rollback=True)
        )

    def composed(self, task_type, list_sql, columns=()):
        kind = (
            "text"
            if self.types[task_type].get("scope") == "run"
            else SQL_TYPE[self.cfg["subject_type"]]
        )
        names = [("subject", kind), ("item", "text"), ("actor", "text"), *columns]
        arrays = ", ".join(f"%(batch_{n})s::{t}[]" for n, t in names)
        return (
            (
                f"with batch as (select * from unnest({arrays}) as"
                f" b({', '.join(n for n, _ in names)})),\n{list_sql.rstrip()}\n"
            ),
            names,
        )

    def run(self, task_type, tasks, now, arguments=None, dry_run=False, list_sql=None, **options):
        """tasks: subjects or (subject, item)s. -> {subject: effect row}. Raises what PostgreSQL
        raises.
        """
        spec = self.types[task_type]
        tasks = [t if isinstance(t, tuple) else (t, "") for t in tasks]
        declared = spec.get("arguments", [])
        given = dict(arguments or {})
        columns = [(a["name"], SQL_TYPE[a["type"]]) for a in declared]
        bound, _ = self.bind(list_sql or self.file(spec["statement"]))
        sql, _ = self.composed(task_type, bound, columns)
        values = self.values(now, dry_run=dry_run, **options)
        values |= {
            "batch_subject": [t[0] for t in tasks],
            "batch_item": [t[1] for t in tasks],
            "batch_actor": [values["actor"]] * len(tasks),
        }
        for a in declared:
            values[f"batch_{a['name']}"] = [
                given.get(
                    a["name"], values["actor"] if a.get("from") == "actor" else a.get("default")
                )
            ] * len(tasks)
        assert not set(given) - {a["name"] for a in declared}
        with (
            self.conn.transaction(force_rollback=dry_run),
            self.conn.cursor(row_factory=dict_row) as cursor,
        ):
            cursor.execute(f"set local search_path = {self.cfg['search_path']}")
            cursor.execute(sql + "select * from effect", values)
            rows = cursor.fetchall()
        found = {r["subject"]: r for r in rows}
        assert len(found) == len(rows), "effect holds a subject twice"
        return found

    def send(self, task_type, tasks, now, **options):
        """The e-mail flow: statement, then `record` for the rows to send (each is taken as
        accepted at `now`).
        """
        rows = self.run(task_type, tasks, now, **options)
        sent = [(r["subject"], r.get("item", "")) for r in rows.values() if r["outcome"] == "send"]
        record = self.types[task_type].get("record")
        if sent and record:
            bound, _ = self.bind(self.file(record))
            sql = (
                "with batch as (select * from unnest(%(s)s::bigint[], %(i)s::text[],"
                f" %(t)s::timestamptz[]) as b(subject, item, sent_at)),\n{bound}\nselect 1"
            )
            with self.conn.transaction(), self.conn.cursor() as cursor:
                cursor.execute(f"set local search_path = {self.cfg['search_path']}")
                cursor.execute(
                    sql,
                    {
                        **self.values(now),
                        "s": [s for s, _ in sent],
                        "i": [i for _, i in sent],
                        "t": [now] * len(sent),
                    },
                )
        return rows

    def report(self, name, now, **parameters):
        spec = self.reports[name]
        declared = {p["name"]: p for p in spec.get("parameters", [])}
        assert not set(parameters) - set(declared)
        given = {n: parameters.get(n, p.get("default")) for n, p in declared.items()}
        rows = self.query(
            self.file(spec["statement"]),
            {**self.values(now), **given},
            rollback=True,
            names=[(n, SQL_TYPE[p["type"]]) for n, p in declared.items()],
        )
        if spec.get("kind") == "rows":
            return rows
        assert len(rows) == 1 and len(rows[0]) == 1
        return next(iter(rows[0].values()))

    def lookup(self, command, text, now):
        return self.query(
            self.file(self.commands[command]["lookup"]),
            self.values(now, subject=text),
            rollback=True,
            names=[("subject", "text")],
        )

    def templates(self, spec):
        """Every template of a task type: (name, text)."""
        email = spec["email"]
        return [("subject", email["subject"])] + [
            (k, self.file(email[k])) for k in ("text", "html") if k in email
        ]


def run_id():
    return uuid.uuid4()

# SPDX-License-Identifier: Apache-2.0
"""The parts a, b, c, h, i: batch jobs and workers in alternation, so that their ratios come from
the same minutes.
"""

import re
import tempfile
import time
from pathlib import Path

from environment import BUILD_FOLDER, REPO, TYPES, Copy, Service, prepare
from fan_out_and_drain import by_hand, drive, fan_out_and_drain, sql_file
from measure import Cpu, figures


def composed_statement(servers, template, pack):
    """A worker's own statement for the pack's type, as the server's log shows it, and what it
    takes to drive it: its file, run number and parameters.
    """
    found = {}

    def keep(_service, db, _result):
        text = servers.server.process.text()
        # "execute type3_2: with batch … " up to the next log line
        found["sql"] = re.findall(
            r"execute type\d+_2: (with batch.*?)\n(?=\d{4}-\d\d-\d\d )", text, re.S
        )[-1]
        found["types"] = db.rows("select name, type_no from rollcall.task_type")

    with servers.server.connect() as db:
        for row in (
            "alter system set log_min_duration_statement = 0",
            "alter system set log_parameter_max_length = 0",
            "select pg_reload_conf()",
        ):
            db.execute(row)
        try:
            time.sleep(0.3)
            fan_out_and_drain(servers, template, pack, "kafka", 1, keep)
        finally:
            for row in (
                "alter system reset log_min_duration_statement",
                "alter system reset log_parameter_max_length",
                "select pg_reload_conf()",
            ):
                db.execute(row)
    path = BUILD_FOLDER / f"composed-{pack}.sql"
    path.write_text(found["sql"])
    return path


def composed(servers, template, path, count, connections, parameters):
    db = Copy(servers.server, template)
    try:
        db.execute("select rollcall.ensure_day('2026-05-04')")
        return drive(
            servers, db, path, "composed", count, connections, extra=["2026-05-04", 1, *parameters]
        )
    finally:
        db.close()


def rollcall(workers, threads, kind):
    """What a measurement of Rollcall is called."""
    return (
        f"Rollcall, {workers}"
        f" worker{'s' * (workers > 1)}{f' of {threads} threads' * (threads > 1)}, {kind}"
    )


def alternation(servers, pack, templates, statement, o):
    """The measurements of one round: name and how."""
    big, small, n = templates["big"], templates["small"], o.people
    job = sql_file("job", pack)
    rounds = []
    if "a" in o.parts:
        rounds += [
            (
                f"batch job, {c} connection{'s' * (c > 1)}",
                lambda c=c: by_hand(servers, big, job, "batch", n, c),
            )
            for c in (1, 2)
        ]
        rounds += [
            (
                "bare UPDATE of the whole table",
                lambda: by_hand(servers, big, sql_file("whole", pack), "whole", n),
            )
        ]
        if statement and pack == "bench":
            rounds += [
                (
                    f"composed statement by hand, {c} connection{'s' * (c > 1)}",
                    lambda c=c: composed(servers, big, statement, n, c, ["2026-05-04 12:00:00+00"]),
                )
                for c in (1, 2)
            ]
    if "b" in o.parts or "c" in o.parts:
        for kind in o.brokers:
            for workers, threads in ((1, 1), (1, 2), (2, 1)):
                rounds.append(
                    (
                        rollcall(workers, threads, kind),
                        lambda kind=kind, w=workers, t=threads: fan_out_and_drain(
                            servers, big, pack, kind, w, worker=f"threads = {t};"
                        ),
                    )
                )
    if "i" in o.parts:
        rounds.append(
            ("row by row", lambda: by_hand(servers, small, sql_file("rows", pack), "rows", o.rows))
        )
    return rounds


def throughput(servers, o, say):
    result = {}
    for pack in o.packs:
        templates = {"big": prepare(servers.server, pack, o.people)}
        templates["small"] = prepare(servers.server, pack, o.rows) if "i" in o.parts else None
        statement = None
        if "a" in o.parts and pack == "bench":
            statement = composed_statement(
                servers, prepare(servers.server, pack, 20000, name=f"statement_{pack}"), pack
            )
        runs = {}
        for turn in range(o.runs):
            for name, measure in alternation(servers, pack, templates, statement, o):
                got = measure()
                runs.setdefault(name, []).append(got)
                say(
                    f"  {pack}, run {turn + 1}: {name}: {got['rate']:,.0f}/s"
                    + (f", fan-out {got['fan_out']['rate']:,.0f}/s" if "fan_out" in got else "")
                )
        result[pack] = {
            name: {"rate": figures([g["rate"] for g in list_]), "runs": list_}
            for name, list_ in runs.items()
        }
        for entry in result[pack].values():
            for key in ("rate", "publish_rate"):
                if "fan_out" in entry["runs"][0]:
                    entry[f"fan_out_{key}"] = figures([g["fan_out"][key] for g in entry["runs"]])
    return result


def growth(servers, o, say):
    """h: the rate at growing tables, and with a ledger that is full already."""
    result = {}
    due = min(o.people, 100000)
    for people in o.growth:
        template = prepare(
            servers.server, "bench", people, min(people, due), name=f"grown_{people}"
        )
        got = [
            fan_out_and_drain(servers, template, "bench", "kafka", 1) for _ in range(o.growth_runs)
        ]
        result[f"{people:,} people, {got[0]['tasks']:,} due"] = {
            "rate": figures([g["rate"] for g in got]),
            "cpu_us": [g["cpu_us"] for g in got],
            "fan_out_rate": figures([g["fan_out"]["rate"] for g in got]),
        }
        say(f"  {people:,} people: {got[0]['rate']:,.0f}/s")
    template = prepare(servers.server, "bench", due, name="ledger_empty")
    with_rows = prepare(servers.server, "bench", due, name="ledger_full")
    fill_ledger(servers, with_rows, o.ledger)
    for turn in range(o.growth_runs):
        for name, t in (
            ("empty ledger", template),
            (f"{o.ledger:,} outcomes in the day's ledger", with_rows),
        ):
            got = fan_out_and_drain(servers, t, "bench", "kafka", 1)
            result.setdefault(name, {"values": [], "cpu_us": []})["values"].append(got["rate"])
            result[name]["cpu_us"].append(got["cpu_us"])
            say(f"  run {turn + 1}: {name}: {got['rate']:,.0f}/s")
    for name in list(result)[-2:]:
        result[name]["rate"] = figures(result[name].pop("values"))
    return result


def fill_ledger(servers, name, rows):
    """Outcomes of an earlier run, in the partition of the day on which the measurement runs."""
    with servers.server.connect(name) as db:
        db.execute("select rollcall.ensure_day((now() at time zone 'UTC')::date)")
        db.execute(
            "insert into rollcall.run (run_id, pack, job, scheduled_at, day, cause, requested_by,"
            " dry_run, state, planned, closed_at, notified_at) values (gen_random_uuid(), 'bench',"
            " 'earlier', now() - interval '2 h', (now() at time zone 'UTC')::date, 'manual',"
            " 'bench', false, 'succeeded', %s, now(), now())",
            (rows,),
        )
        db.execute(
            "insert into rollcall.task_type (name) values (%s) on conflict do nothing",
            (TYPES["bench"],),
        )
        db.execute(
            "insert into rollcall.outcome (day, run_no, type_no, source_no, src_offset, sequence,"
            " outcome, subject, before, after) select (now() at time zone 'UTC')::date, r.run_no,"
            " t.type_no, 1000, n, n, 0, n::text, 'active', 'expired' from rollcall.run r,"
            " rollcall.task_type t, generate_series(1, %s) n where t.name = %s and r.job ="
            " 'earlier'",
            (rows, TYPES["bench"]),
        )
        db.execute("vacuum analyze rollcall.outcome")
        db.execute("checkpoint")


def scan(servers, o, say):
    """c: the select of due subjects when few of many are due, with the index that the pack's
    documentation recommends, and without.
    """
    name = prepare(
        servers.server,
        "equipemed",
        o.scan_people,
        o.scan_people // 1000,
        name=f"scan_{o.scan_people}",
    )
    result = {}
    for index in (False, True):
        if index:
            with servers.server.connect(name) as db:
                for statement in recommended():
                    db.execute(statement)
                db.execute("analyze equipemed.accounts_eqmdcustomuser")
        db = Copy(servers.server, name)
        service = Service(
            Path(tempfile.mkdtemp(prefix="rcbench-", dir="/tmp")),
            db,
            servers.broker("kafka"),
            "equipemed",
        )
        try:
            service.topics(1)
            scheduler = service.start("scheduler")
            service.ready(scheduler)
            cpu, start = (
                Cpu(scheduler=[scheduler.pid], postgres=[servers.server.process.pid]),
                time.monotonic(),
            )
            service.rollcall("jobs", "run", "equipemed.check-expiration")
            while (
                db.value("select state from rollcall.run order by run_no desc limit 1")
                == "requested"
            ):
                time.sleep(0.005)
            seconds, used, planned = (
                time.monotonic() - start,
                cpu.used(),
                db.value("select planned from rollcall.run order by run_no desc limit 1"),
            )
        finally:
            service.close()
            db.close()
        label = f"{o.scan_people:,} users, {planned:,} due, " + (
            "with the recommended index" if index else "with EquipeMed's own indexes"
        )
        result[label] = {"seconds": seconds, "cpu_seconds": used}
        say(
            f"  {label}: {seconds:.2f} s from the request to the plan; CPU"
            f" {used['postgres'] + used['scheduler']:.2f} s"
        )
    return result


def recommended():
    text = "\n".join(
        line
        for line in (REPO / "config/packs/equipemed/indexes.sql").read_text().splitlines()
        if not line.lstrip().startswith("--")
    )
    return ["set search_path = equipemed, public"] + [
        s.replace("concurrently", "") for s in text.split(";") if s.strip()
    ]

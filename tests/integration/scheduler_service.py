# SPDX-License-Identifier: Apache-2.0
"""A pack and a service for the scheduler's tests."""

import io
import json
import uuid

import fastavro
import pytest
import worker_pack
from harness.paths import REPO, program
from harness.process import Process
from worker_pack import Service

RUN_SCHEMA = fastavro.parse_schema(json.loads((REPO / "schemas/run.avsc").read_text()))

JOBS = """
jobs = ( { name = "sweep"; tasks = [ "bump" ]; schedule = "0 3 * * *"; },
         { name = "daily"; tasks = [ "bump" ]; schedule = "0 3 * * *"; min_interval = "23h"; },
         { name = "hourly"; tasks = [ "bump" ]; schedule = "0 * * * *"; catch_up = "all";
             concurrency_policy = "allow"; },
         { name = "punctual"; tasks = [ "bump" ]; schedule = "0 * * * *"; catch_up = "none"; },
         { name = "later"; tasks = [ "bump" ]; schedule = "0 3 * * *"; jitter = "9h"; },
         { name = "off"; tasks = [ "bump" ]; schedule = "0 3 * * *"; suspend = true; },
         { name = "items"; tasks = ( { type = "pieces"; }, { type = "census"; },
             { type = "other"; dry_run = true; } ); },
         { name = "broken"; tasks = [ "bad-due" ]; on_failure = [ "told-failure" ]; },
         { name = "nameless"; tasks = [ "no-subject" ]; },
         { name = "slow"; tasks = [ "slow-due" ]; time_limit = "6s";
             on_failure = [ "told-failure" ]; },
         { name = "limited"; tasks = [ "gate-due" ]; time_limit = "3s";
             on_failure = [ "told-failure" ]; on_finish = [ "told-finish" ]; },
         { name = "guarded"; tasks = [ "bump" ]; requires = "sql/requires.sql"; },
         { name = "doubled"; tasks = [ "twice" ]; },
         { name = "sure"; tasks = [ "enrol" ]; on_success = [ "told-success" ];
             on_failure = [ "told-failure" ]; on_finish = [ "told-finish" ]; },
         { name = "mixed"; tasks = [ "sometimes" ]; on_success = [ "told-success" ];
             on_failure = [ "told-failure" ]; on_finish = [ "told-finish" ]; },
         { name = "replaced"; tasks = [ "gate-due" ]; concurrency_policy = "replace"; },
         { name = "few"; tasks = [ "bump" ]; min_planned = 4; on_failure = [ "told-failure" ]; },
         { name = "half"; tasks = [ "sometimes" ]; alert_on = "50%";
             on_failure = [ "told-failure" ]; },
         { name = "calm"; tasks = [ "sometimes" ]; alert_on = "failed";
             on_failure = [ "told-failure" ]; },
         { name = "soon"; tasks = [ "bump" ]; schedule = "0 3 * * *"; min_interval = "23h";
             on_failure = [ "told-failure" ]; },
         { name = "shared"; tasks = [ "enrol", "choose", "greet", "stutter" ]; },
         { name = "mailing"; tasks = [ "write" ]; on_failure = [ "told-failure" ];
             on_finish = [ "told-finish" ]; },
         { name = "wiping"; tasks = [ "bump",
             "wipe" ]; population = "sql/population.sql"; on_failure = [ "told-failure" ]; },
         { name = "capped"; tasks = [ "bump", "other",
             "census" ]; max_subjects = 5; on_failure = [ "told-failure" ];
                 on_finish = [ "told-finish" ]; time_limit = "1h"; },
         { name = "share"; tasks = [ "bump" ]; max_percent = 2.5; population = "sql/population.sql";
             schedule = "0 * * * *"; concurrency_policy = "allow"; },
         { name = "noting"; tasks = [ "note" ]; on_finish = [ "noted" ]; },
         { name = "both"; tasks = [ "bump", "gate-due" ]; },
             { name = "enrolment"; tasks = [ "enrol" ]; },
         { name = "alone"; tasks = [ "gate-due" ]; } );
"""

TYPES = """
  { name = "note"; action = "sql"; due = "sql/due.sql"; statement = "sql/note.sql"; },
  { name = "noted"; action = "sql"; scope = "run"; lane = "urgent"; statement = "sql/noted.sql"; },
  { name = "wipe"; action = "sql"; destructive = true; due = "sql/pieces.due.sql";
      statement = "sql/bump.sql"; },
  { name = "pieces"; action = "sql"; due = "sql/pieces.due.sql"; statement = "sql/bump.sql"; },
  { name = "bad-due"; action = "sql"; due = "sql/bad.due.sql"; statement = "sql/bump.sql"; },
  { name = "no-subject"; action = "sql"; due = "sql/null.due.sql"; statement = "sql/bump.sql"; },
  { name = "slow-due"; action = "sql"; due = "sql/slow.due.sql"; statement = "sql/bump.sql"; },
  { name = "gate-due"; action = "sql"; due = "sql/due.sql"; statement = "sql/gate.sql"; },
  { name = "stutter"; action = "sql"; due = "sql/due.sql"; statement = "sql/stutter.sql";
      follow_ups = [ "welcome" ]; },
  { name = "write"; action = "email"; due = "sql/due.sql"; statement = "sql/greet.sql";
      record = "sql/greet.record.sql";
    email = { subject = "Olá {{name}}"; text = "templates/greet.txt"; }; },
  { name = "twice"; action = "sql"; due = "sql/twice.due.sql"; statement = "sql/bump.sql"; },
  { name = "sometimes"; action = "sql"; due = "sql/due.sql"; statement = "sql/sometimes.sql"; },
  { name = "told-success"; action = "sql"; scope = "run"; lane = "urgent";
      statement = "sql/told.sql"; },
  { name = "told-failure"; action = "sql"; scope = "run"; lane = "urgent";
      statement = "sql/told.sql"; },
  { name = "told-finish"; action = "sql"; scope = "run"; lane = "urgent";
      statement = "sql/told.sql"; },
  { name = "bump";"""

FILES = {
    "sql/pieces.due.sql": (
        "select id as subject, 'part ' || n as item from person, generate_series(1, 2) n where"
        " active order by id desc; "
    ),
    "sql/note.sql": (
        "done as (update person p set note = :first_word || ' ' || :second_word from batch b where"
        " p.id = b.subject returning p.id), effect as (select id as subject, 'applied'::text as"
        " outcome from done)"
    ),
    "sql/noted.sql": (
        "noted as (insert into told (run) select subject || ' ' || :first_word || ' ' ||"
        " :second_word from batch), effect as (select subject, 'applied'::text as outcome from"
        " batch)"
    ),
    "sql/population.sql": "select count(*) from person",
    "sql/bad.due.sql": "select id as subject from persons",
    "sql/null.due.sql": "select nullif(id, 3) as subject from person",
    "sql/slow.due.sql": "select id as subject from person, pg_sleep(30)",
    "sql/twice.due.sql": (
        "select id as subject from person union all select id from person where id % 2 = 0"
    ),
    "sql/requires.sql": (
        "select exists (select from club_log) as ok, 'nobody signed the log'::text as reason"
    ),
    "sql/sometimes.sql": (
        "effect as (select subject, case when subject = 2 then 'failed' else 'applied' end as"
        " outcome, 'so it is'::text as reason from batch)"
    ),
    "sql/stutter.sql": (
        "effect as (select subject, 'applied'::text as outcome, array['welcome', 'welcome'] as"
        " follow_ups from batch)"
    ),
    "sql/told.sql": (
        "noted as (insert into told (run) select subject from batch), effect as (select subject,"
        " 'applied'::text as outcome from batch)"
    ),
}


class Schedulers(Service):
    """A service whose pack has jobs; `scheduler()` starts one."""

    def __init__(
        self,
        broker,
        database,
        folder,
        prefix,
        scheduler='lease = "2s"; tick = "200ms"; chunk = 100;',
        **options,
    ):
        self.scheduler_config, self.alert = scheduler, ""
        cfg = worker_pack.PACK_CFG[: worker_pack.PACK_CFG.index("jobs = (")] + JOBS
        cfg = cfg.replace(
            "settings = ( ",
            'settings = ( { name = "first_word"; type = "text"; default = "one"; }, { name ='
            ' "second_word"; type = "text"; default = "two"; }, { name = "gate"; type = "integer";'
            " default = 1; locked = true; }, ",
            1,
        )
        cfg = (
            cfg.replace('{ name = "bump";', TYPES.lstrip(), 1)
            + 'reports = ( { name = "census"; title = "CENSUS"; statement = "sql/census.sql"; }'
            " );\n"
        )
        for path, text in FILES.items():
            (folder / "club" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "club" / path).write_text(text)
        database.execute("create table told (run text, at timestamptz default now())")
        super().__init__(broker, database, folder, prefix, pack_cfg=cfg, **options)

    def write(self):
        super().write(f"scheduler = {{ {self.scheduler_config} }};\nalert = {{ {self.alert} }};\n")

    def scheduler(self, ready=True):
        self.write()
        p = Process(
            [program("rollcall-scheduler"), "-c", self.config],
            self.folder / f"scheduler.{len(self.started)}",
            env={"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"},
        )
        p.stopped = False
        self.started.append(p)
        if ready:
            self.wait_log(p, 'msg="ready"')
        return p

    def ask(self, job, *options, code=0):
        """Requests a run; its id."""
        return json.loads(self.rollcall("jobs", "run", f"club.{job}", "--json", "--yes", *options))[
            "run_id"
        ]

    def instrumented(self):
        return b"__asan_init" in open(program("rollcall-scheduler"), "rb").read()

    def row(self, run, columns="state, reason"):
        return self.database.rows(f"select {columns} from rollcall.run where run_id = %s", (run,))[
            0
        ]

    def state(self, run):
        return self.row(run)[0]

    def until(self, run, *states, timeout=90):
        ends = {"succeeded", "completed with errors", "failed", "refused", "cancelled"}
        try:
            self.wait(lambda: self.state(run) in ends | set(states), timeout)
        except AssertionError:
            print(
                self.database.rows(
                    "select state, reason, planned, done, spawned, digest_matches from"
                    " rollcall.run_progress where run_id = %s",
                    (run,),
                )
            )
            print(
                [self.database.rows("select reason, count(*) from rollcall.dead_letter group by 1")]
            )
            raise
        assert self.state(run) in states, f"{self.row(run)}\n{self.logs()}"
        return self.row(run)

    def slots(self, job, back):
        """As if the schedulers had been away for so long."""
        self.database.execute(
            "insert into rollcall.job (pack, job) values ('club', %s) on conflict do nothing",
            (job,),
        )
        self.database.execute(
            "update rollcall.job set considered_at = now() - %s where pack = 'club' and job = %s",
            (back, job),
        )

    def runs(self, job):
        return self.database.rows(
            "select scheduled_at, state, cause, reason from rollcall.run where job = %s order by"
            " scheduled_at",
            (job,),
        )

    def tasks(self, run=None, lane="tasks"):
        found = [
            worker_pack.decode(value)[1]
            for *_, value in self.values(lane)
            if value[:10] == worker_pack.TASK_MARK
        ]
        return [t for t in found if run is None or str(t["run_id"]) == str(run)]

    def announced(self, *runs):
        """States told on the jobs topic."""
        mark = worker_pack.fingerprint(
            worker_pack.to_parsing_canonical_form(
                json.loads((REPO / "schemas/run.avsc").read_text())
            ),
            "CRC-64-AVRO",
        )
        found = []
        for *_, value in self.values("jobs"):
            if value[:10] == b"\xc3\x01" + bytes.fromhex(mark):
                record = fastavro.schemaless_reader(io.BytesIO(value[10:]), RUN_SCHEMA)
                if str(worker_pack.as_uuid(record["run_id"])) in map(str, runs):
                    found.append(record)
        return found

    def values(self, lane):
        found, decode = [], worker_pack.decode
        worker_pack.decode = lambda value: ("bytes", value)
        try:
            found = self.read(lane)
        finally:
            worker_pack.decode = decode
        return found


@pytest.fixture
def make_service(tmp_path, unique, database):
    made = []

    def make(broker, **options):
        db = options.pop("db", None) or database
        made.append(Schedulers(broker, db, tmp_path, unique("s"), **options))
        return made[-1]

    yield make
    for r in made:
        r.sanitized()
        r.close()


def expected(run, type_name, subjects, items=("",)):
    return {
        uuid.uuid5(uuid.UUID(str(run)), f"club.{type_name}\0{s}\0{i}"): (str(s), i)
        for s in subjects
        for i in items
    }

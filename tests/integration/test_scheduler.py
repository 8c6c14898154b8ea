"""The scheduler on real parts: what is due is planned once, published completely, and closed with its proof."""
import io
import json
import os
import re
import signal
import time
import uuid
from collections import Counter
from datetime import datetime, timedelta, timezone

import fastavro
import pytest

import worker_pack
from harness.paths import PROGRAM_MAX_KIB, REPO, program
from harness.postgres import Database, Postgres
from harness.process import Process
from worker_pack import EPOCH, RUN_SPACE, Rig, digest

RUN_SCHEMA = fastavro.parse_schema(json.loads((REPO / "schemas/run.avsc").read_text()))

JOBS = """
jobs = ( { name = "sweep"; tasks = [ "bump" ]; schedule = "0 3 * * *"; },
         { name = "daily"; tasks = [ "bump" ]; schedule = "0 3 * * *"; min_interval = "23h"; },
         { name = "hourly"; tasks = [ "bump" ]; schedule = "0 * * * *"; catch_up = "all"; concurrency_policy = "allow"; },
         { name = "punctual"; tasks = [ "bump" ]; schedule = "0 * * * *"; catch_up = "none"; },
         { name = "later"; tasks = [ "bump" ]; schedule = "0 3 * * *"; jitter = "9h"; },
         { name = "off"; tasks = [ "bump" ]; schedule = "0 3 * * *"; suspend = true; },
         { name = "items"; tasks = ( { type = "pieces"; }, { type = "census"; }, { type = "other"; dry_run = true; } ); },
         { name = "broken"; tasks = [ "bad-due" ]; on_failure = [ "told-failure" ]; },
         { name = "nameless"; tasks = [ "no-subject" ]; },
         { name = "slow"; tasks = [ "slow-due" ]; time_limit = "6s"; on_failure = [ "told-failure" ]; },
         { name = "limited"; tasks = [ "gate-due" ]; time_limit = "3s"; on_failure = [ "told-failure" ]; on_finish = [ "told-finish" ]; },
         { name = "guarded"; tasks = [ "bump" ]; requires = "sql/requires.sql"; },
         { name = "doubled"; tasks = [ "twice" ]; },
         { name = "sure"; tasks = [ "enrol" ]; on_success = [ "told-success" ]; on_failure = [ "told-failure" ]; on_finish = [ "told-finish" ]; },
         { name = "mixed"; tasks = [ "sometimes" ]; on_success = [ "told-success" ]; on_failure = [ "told-failure" ]; on_finish = [ "told-finish" ]; },
         { name = "replaced"; tasks = [ "gate-due" ]; concurrency_policy = "replace"; },
         { name = "alone"; tasks = [ "gate-due" ]; } );
"""

TYPES = """
  { name = "pieces"; action = "sql"; due = "sql/pieces.due.sql"; statement = "sql/bump.sql"; },
  { name = "bad-due"; action = "sql"; due = "sql/bad.due.sql"; statement = "sql/bump.sql"; },
  { name = "no-subject"; action = "sql"; due = "sql/null.due.sql"; statement = "sql/bump.sql"; },
  { name = "slow-due"; action = "sql"; due = "sql/slow.due.sql"; statement = "sql/bump.sql"; },
  { name = "gate-due"; action = "sql"; due = "sql/due.sql"; statement = "sql/gate.sql"; },
  { name = "twice"; action = "sql"; due = "sql/twice.due.sql"; statement = "sql/bump.sql"; },
  { name = "sometimes"; action = "sql"; due = "sql/due.sql"; statement = "sql/sometimes.sql"; },
  { name = "told-success"; action = "sql"; scope = "run"; lane = "urgent"; statement = "sql/told.sql"; },
  { name = "told-failure"; action = "sql"; scope = "run"; lane = "urgent"; statement = "sql/told.sql"; },
  { name = "told-finish"; action = "sql"; scope = "run"; lane = "urgent"; statement = "sql/told.sql"; },
  { name = "bump";"""

FILES = {
    "sql/pieces.due.sql": "select id as subject, 'part ' || n as item from person, generate_series(1, 2) n where active order by id desc; ",
    "sql/bad.due.sql": "select id as subject from persons",
    "sql/null.due.sql": "select nullif(id, 3) as subject from person",
    "sql/slow.due.sql": "select id as subject from person, pg_sleep(30)",
    "sql/twice.due.sql": "select id as subject from person union all select id from person where id % 2 = 0",
    "sql/requires.sql": "select exists (select from club_log) as ok, 'nobody signed the log'::text as reason",
    "sql/sometimes.sql": "effect as (select subject, case when subject = 2 then 'failed' else 'applied' end as outcome, 'so it is'::text as reason from batch)",
    "sql/told.sql": "noted as (insert into told (run) select subject from batch), effect as (select subject, 'applied'::text as outcome from batch)",
}


class Schedulers(Rig):
    """A rig whose pack has jobs; `scheduler()` starts one."""

    def __init__(self, broker, database, folder, prefix, scheduler='lease = "2s"; tick = "200ms"; chunk = 100;', **options):
        self.scheduler_config = scheduler
        cfg = worker_pack.PACK_CFG[:worker_pack.PACK_CFG.index("jobs = (")] + JOBS
        cfg = cfg.replace('{ name = "bump";', TYPES.lstrip(), 1) + 'reports = ( { name = "census"; title = "CENSUS"; statement = "sql/census.sql"; } );\n'
        for path, text in FILES.items():
            (folder / "club" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "club" / path).write_text(text)
        database.execute("create table told (run text, at timestamptz default now())")
        super().__init__(broker, database, folder, prefix, pack_cfg=cfg, **options)

    def write(self):
        super().write()
        with open(self.config, "a") as f:
            f.write(f"scheduler = {{ {self.scheduler_config} }};\n")

    def scheduler(self, ready=True):
        self.write()
        p = Process([program("rollcall-scheduler"), "-c", self.config], self.folder / f"scheduler.{len(self.started)}",
                    env={"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"})
        p.stopped = False
        self.started.append(p)
        if ready:
            self.wait_log(p, 'msg="ready"')
        return p

    def ask(self, job, *options, code=0):
        """Asks for a run; its id."""
        return json.loads(self.rollcall("jobs", "run", f"club.{job}", "--json", *options))["run_id"]

    def instrumented(self):
        return b"__asan_init" in open(program("rollcall-scheduler"), "rb").read()

    def row(self, run, columns="state, reason"):
        return self.database.rows(f"select {columns} from rollcall.run where run_id = %s", (run,))[0]

    def state(self, run):
        return self.row(run)[0]

    def until(self, run, *states, timeout=90):
        ends = {"finished", "failed", "refused", "cancelled"}
        try:
            self.wait(lambda: self.state(run) in ends | set(states), timeout)
        except AssertionError:
            print(self.database.rows("select state, reason, planned, done, spawned, digest_matches from rollcall.run_progress where run_id = %s", (run,)))
            print([self.database.rows("select reason, count(*) from rollcall.dead_letter group by 1")])
            raise
        assert self.state(run) in states, f"{self.row(run)}\n{self.logs()}"
        return self.row(run)

    def slots(self, job, back):
        """As if the schedulers had been away for so long."""
        self.database.execute("insert into rollcall.job (pack, job) values ('club', %s) on conflict do nothing", (job,))
        self.database.execute("update rollcall.job set considered_at = now() - %s where pack = 'club' and job = %s", (back, job))

    def runs(self, job):
        return self.database.rows("select scheduled_at, state, cause, reason from rollcall.run where job = %s order by scheduled_at", (job,))

    def tasks(self, run=None, lane="tasks"):
        found = [worker_pack.decode(value)[1] for *_, value in self.values(lane) if value[:10] == worker_pack.TASK_MARK]
        return [t for t in found if run is None or str(t["run_id"]) == str(run)]

    def announced(self, *runs):
        """States told on the jobs topic."""
        mark = worker_pack.fingerprint(worker_pack.to_parsing_canonical_form(json.loads((REPO / "schemas/run.avsc").read_text())), "CRC-64-AVRO")
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
def rig(tmp_path, unique, database):
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
    return {uuid.uuid5(uuid.UUID(str(run)), f"club.{type_name}\0{s}\0{i}"): (str(s), i) for s in subjects for i in items}


# ---- plan and publication ---------------------------------------------------------------------------------------------------------------------


def test_a_run_is_planned_and_published_exactly(rig, broker):
    """Every due subject once: in the plan, by its digest, and on the topic; with items, run-level tasks and a dry step too."""
    rig = rig(broker, people=1234)
    rig.database.execute("update person set active = false where id % 10 = 0")
    due = [n for n in range(1, 1235) if n % 10]
    s = rig.scheduler()
    run = rig.ask("items", "--at", "2026-05-04T09:00:00-03:00")
    assert run == str(uuid.uuid5(RUN_SPACE, f"club\0items\0{(worker_pack.NOON - EPOCH) // timedelta(microseconds=1)}"))
    assert rig.until(run, "published") == ("published", "")
    pieces, dry, census = (expected(run, "pieces", due, ("part 1", "part 2")), expected(run, "other", due), expected(run, "census", [run]))
    planned, a, b, chunks, published, cluster = rig.row(run, "planned, planned_digest_a, planned_digest_b, chunks, chunks_published, cluster")
    assert planned == len(pieces) + len(dry) + 1
    assert (a, b) == digest([*pieces, *dry, *census])
    assert chunks == published == -(-len(pieces) // 100) + -(-len(dry) // 100) + 1 and cluster
    tasks = rig.tasks(run)
    assert Counter(t["task_id"] for t in tasks) == Counter([*pieces, *dry])
    for t in tasks:
        assert (t["subject"], t["item"]) == {**pieces, **dry}[t["task_id"]]
        assert t["dry_run"] == (t["type"] == "club.other") and t["scheduled_at"] == worker_pack.NOON and t["actor"].startswith("cli:")
    assert [t["task_id"] for t in rig.tasks(run, "jobs")] == list(census) and rig.announced(run)
    assert {r[0] for r in rig.database.rows("select subject from rollcall.missing((select run_no from rollcall.run where run_id = %s))", (run,))} == {str(n) for n in due} | {run}
    rig.wait(lambda: [e["state"] for e in rig.announced(run)] == ["planned", "published"])
    assert rig.stop(s) == 0
    assert rig.database.value("select count(*) from rollcall.lease where expires_at > now()") == 0


def test_states_are_told_in_their_order(rig, embedded):
    """Small runs, which are published at once when they are planned."""
    rig = rig(embedded, people=1)
    rig.scheduler()
    runs = [rig.ask("sweep", "--force", "--at", f"2026-05-04T09:00:{n:02}Z") for n in range(40)]
    for run in runs:
        rig.until(run, "published")
    told = rig.wait(lambda: (lambda x: len(x) == 80 and x)(rig.announced(*runs)))
    assert all([e["state"] for e in told if e["run_id"] == first["run_id"]] == ["planned", "published"] for first in told)


def test_nobody_due(rig, embedded):
    rig = rig(embedded)
    rig.scheduler()
    run = rig.ask("sweep")
    assert rig.until(run, "finished") == ("finished", "")
    assert rig.row(run, "planned, chunks, notified_at is not null or true") == (0, 0, True)


def test_somebody_due_twice_is_one_task(rig, embedded):
    rig = rig(embedded, people=350)
    rig.scheduler()
    run = rig.ask("doubled")
    rig.until(run, "published")
    assert Counter(t["task_id"] for t in rig.tasks(run)) == Counter(list(expected(run, "twice", range(1, 351))))
    assert rig.row(run, "planned") == (350,)


def peak(process):
    return int(re.search(r"VmHWM:\s+(\d+) kB", open(f"/proc/{process.pid}/status").read()).group(1))


def test_a_million_subjects_in_flat_memory(rig, kafka):
    rig = rig(kafka, scheduler='chunk = 10000;')
    count = 100_000 if rig.instrumented() else 1_000_000  # a sanitizer's memory is not measured, and it takes its time
    rig.database.execute("insert into person (id) select generate_series(1, %s)", (count,))
    s = rig.scheduler()
    for job in ("hourly", "punctual"):  # or a full hour brings a million more, twice
        rig.rollcall("jobs", "suspend", f"club.{job}")
    started = time.monotonic()
    run = rig.ask("sweep")
    rig.until(run, "published", timeout=120)
    print(f"{count} tasks in {time.monotonic() - started:.1f} s")
    assert rig.row(run, "planned") == (count,)
    if not rig.instrumented():
        assert peak(s) < PROGRAM_MAX_KIB, f"{peak(s)} kB"
    assert rig.stop(s) == 0


def test_memory_stays_flat_while_kafka_acknowledges_nothing(rig, kafka):
    """A broker that stands still for a while: what waits for it is bounded."""
    rig = rig(kafka, scheduler='chunk = 10000;')
    rig.database.execute("insert into person (id) select generate_series(1, 400000)")
    s = rig.scheduler()
    for job in ("hourly", "punctual"):
        rig.rollcall("jobs", "suspend", f"club.{job}")
    run = rig.ask("sweep")
    rig.wait(lambda: rig.row(run, "chunks_published > 0")[0])
    os.killpg(kafka.process.pid, signal.SIGSTOP)
    try:
        time.sleep(2)
    finally:
        os.killpg(kafka.process.pid, signal.SIGCONT)
    rig.until(run, "published")
    if not rig.instrumented():
        assert peak(s) < PROGRAM_MAX_KIB, f"{peak(s)} kB"
    assert rig.stop(s) == 0


# ---- several schedulers, and their deaths ------------------------------------------------------------------------------------------------------


def test_two_schedulers_make_one_run(rig, broker):
    rig = rig(broker, people=300)
    rig.slots("sweep", timedelta(days=1))
    both = [rig.scheduler(ready=False), rig.scheduler(ready=False)]
    rig.wait(lambda: any(state == "published" for _, state, *_ in rig.runs("sweep")))
    for s in both:
        rig.wait_log(s, 'msg="ready"')
    time.sleep(0.5)
    assert len(rig.runs("sweep")) == 1
    run = rig.database.value("select run_id from rollcall.run where job = 'sweep'")
    assert Counter(t["task_id"] for t in rig.tasks(run)) == Counter(list(expected(run, "bump", range(1, 301))))
    assert [("leading" in s.text()) for s in both].count(True) == 1
    assert rig.database.value("select epoch from rollcall.lease") == 1
    for s in both:
        assert rig.stop(s) == 0


def test_killed_while_publishing(rig, kafka):
    """The next one goes on from the last chunk that is known to be acknowledged: the same ids, all of them."""
    rig = rig(kafka, scheduler='lease = "1s"; tick = "100ms"; chunk = 500;')
    rig.database.execute("insert into person (id) select generate_series(1, 300000)")
    first = rig.scheduler()
    run = rig.ask("sweep")
    rig.wait(lambda: rig.row(run, "chunks_published > 0")[0])
    rig.kill(first)
    state, done, chunks = rig.row(run, "state, chunks_published, chunks")
    assert state == "planned" and 0 < done < chunks
    rig.scheduler()
    rig.until(run, "published")
    tasks = Counter(t["task_id"] for t in rig.tasks(run))
    assert set(tasks) == set(expected(run, "bump", range(1, 300001)))
    assert max(tasks.values()) <= 2


def test_killed_while_planning(rig, embedded):
    """Half a plan is no plan."""
    rig = rig(embedded, people=100, scheduler='lease = "1s"; tick = "100ms";')
    (rig.folder / "club/sql/slow.due.sql").write_text("select id as subject from person, lateral (select pg_sleep(case when id > 50 then 30 end)) s")
    first = rig.scheduler()
    run = rig.ask("slow", "--force")
    rig.wait(lambda: rig.database.value("select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"))
    rig.kill(first)
    (rig.folder / "club/sql/slow.due.sql").write_text("select id as subject from person")
    rig.database.execute("update rollcall.run set deadline_at = null")
    rig.scheduler()
    rig.until(run, "published")
    assert len(rig.tasks(run)) == 100


def test_a_paused_leader_writes_nothing_after_it_has_lost_the_lead(rig, kafka):
    rig = rig(kafka, scheduler='lease = "1s"; tick = "100ms"; chunk = 200;')
    rig.database.execute("insert into person (id) select generate_series(1, 200000)")
    first = rig.scheduler()
    run = rig.ask("sweep")
    rig.wait(lambda: rig.row(run, "chunks_published > 0")[0])
    first.send_signal(signal.SIGSTOP)
    assert rig.state(run) == "planned"
    second = rig.scheduler()
    rig.until(run, "published")
    assert rig.database.value("select epoch from rollcall.lease") == 2
    before = rig.row(run, "published_at, chunks_published")
    first.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    assert rig.row(run, "published_at, chunks_published") == before
    assert rig.database.value("select epoch from rollcall.lease") == 2
    assert set(t["task_id"] for t in rig.tasks(run)) == set(expected(run, "bump", range(1, 200001)))
    assert rig.stop(second) == 0 and rig.stop(first) == 0


def test_lead_is_handed_over_at_once(rig, embedded):
    rig = rig(embedded, scheduler='lease = "1h"; tick = "100ms";')
    first = rig.scheduler()
    rig.wait_log(first, 'msg="leading"')
    second = rig.scheduler()
    assert rig.stop(first) == 0
    rig.wait_log(second, 'msg="leading" epoch=2')  # the lease alone would take an hour


def test_an_embedded_broker_started_anew_gets_all_again(rig, embedded):
    rig = rig(embedded, people=250)
    s = rig.scheduler()
    run = rig.ask("sweep")
    rig.until(run, "published")
    embedded.restart(crash=True)
    rig.wait_log(s, "run is published again")
    rig.until(run, "published")
    assert rig.row(run, "cluster") == (embedded.cluster,)
    assert Counter(t["task_id"] for t in rig.tasks(run)) == Counter(list(expected(run, "bump", range(1, 251))))


def test_follow_ups_that_a_lost_broker_had_are_published_again(rig, embedded):
    """The part of the worker: ten tasks are done and have spawned; the follow-up of one of them is done too."""
    rig = rig(embedded, people=250)
    s = rig.scheduler()
    run = rig.ask("sure")
    rig.until(run, "published")
    rig.database.execute("""insert into rollcall.outcome (day, run_no, type_no, source_no, src_offset, sequence, outcome, subject, follow_ups)
        select r.day, r.run_no, t.type_no, 999, n, n, 0, n::text, array['club.welcome', 'club.greet'] from rollcall.run r, rollcall.task_type t,
        generate_series(1, 10) n where r.run_id = %s and t.name = 'club.enrol'
        union all select r.day, r.run_no, t.type_no, 999, 11, 11, 2, '4', null from rollcall.run r, rollcall.task_type t where r.run_id = %s and t.name = 'club.welcome'""",
                         [run, run])
    embedded.restart(crash=True)
    rig.wait_log(s, "run is published again")
    rig.until(run, "published")
    assert Counter(t["task_id"] for t in rig.tasks(run)) == Counter(list(expected(run, "enrol", range(11, 251))))  # the ten are done
    assert {t["task_id"] for t in rig.tasks(run, "mail")} == set(expected(run, "greet", range(1, 11)))
    assert {t["task_id"] for t in rig.tasks(run, "urgent")} == set(expected(run, "welcome", [n for n in range(1, 11) if n != 4]))


def test_an_operator_has_a_run_published_again(rig, embedded):
    rig = rig(embedded, people=250)
    rig.scheduler()
    run = rig.ask("sweep")
    rig.until(run, "published")
    rig.rollcall("runs", "republish", run)
    rig.wait(lambda: len(rig.tasks(run)) == 500)
    rig.until(run, "published")
    assert set(Counter(t["task_id"] for t in rig.tasks(run)).values()) == {2}


def test_the_database_goes_away_and_comes_back(tmp_path, rig, embedded):
    server = Postgres()
    try:
        db = Database(server, "d")
        rig = rig(embedded, db=db, people=100)
        s = rig.scheduler()
        rig.until(rig.ask("sweep"), "published")
        db.db.close()
        server.stop()
        rig.wait_log(s, 'msg="waiting"')
        time.sleep(2)
        assert s.text().count('msg="waiting"') <= 3
        server.start()
        db.db = server.connect("d")
        rig.wait_log(s, 'msg="going on"')
        rig.until(rig.ask("items"), "published")
        assert rig.stop(s) == 0
    finally:
        server.close()


# ---- schedules ----------------------------------------------------------------------------------------------------------------------------------


def test_slots_missed_while_nobody_was_there(rig, embedded):
    rig = rig(embedded, people=3)
    rig.slots("sweep", timedelta(days=3))  # catch_up latest
    rig.slots("hourly", timedelta(hours=5))  # all
    rig.slots("punctual", timedelta(hours=5))  # none
    rig.slots("off", timedelta(days=3))  # suspended by the configuration
    rig.rollcall("jobs", "suspend", "club.daily")
    rig.slots("daily", timedelta(days=3))
    s = rig.scheduler()
    rig.wait(lambda: [r[1] for r in rig.runs("hourly")] == ["published"] * 5)
    rig.wait(lambda: [r[1] for r in rig.runs("sweep")] == ["published"])
    assert all(r[0].minute == 0 for r in rig.runs("hourly"))
    late = datetime.now(timezone.utc) - rig.runs("sweep")[0][0] > timedelta(minutes=1)
    assert rig.runs("sweep")[0][2] == ("catch_up" if late else "schedule")
    if datetime.now(timezone.utc).minute > 1:
        assert rig.runs("punctual") == []
    assert rig.runs("off") == [] and rig.runs("daily") == []
    assert re.search(r'slots skipped" job=club.off count=3', s.text()) and re.search(r'slots skipped" job=club.daily count=3', s.text())
    assert re.search(r'slots skipped" job=club.sweep count=2', s.text())
    run = rig.ask("daily")  # by hand all the same
    rig.until(run, "published")


def test_first_start_runs_nothing_from_before(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.job where considered_at is not null") >= 5)
    time.sleep(0.5)
    assert rig.database.value("select count(*) from rollcall.run") == 0


def test_jitter_delays_the_start(rig, embedded):
    rig = rig(embedded, people=3)
    rig.slots("later", timedelta(days=1))
    rig.scheduler()
    rig.wait(lambda: rig.runs("later"))
    slot, not_before = rig.database.rows("select scheduled_at, not_before from rollcall.run where job = 'later'")[0]
    assert slot <= not_before <= slot + timedelta(hours=9)
    if not_before > datetime.now(timezone.utc) + timedelta(seconds=2):
        time.sleep(1)
        assert rig.runs("later")[0][1] == "requested"
        rig.database.execute("update rollcall.run set not_before = now() where job = 'later'")
    rig.wait(lambda: rig.runs("later")[0][1] == "published")


def test_minimum_interval(rig, embedded):
    """Refused within 23 h; forced it runs; a dry run neither counts nor is refused."""
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.until(rig.ask("daily", "--dry-run"), "published")
    rig.until(rig.ask("daily"), "published")
    rig.start(lanes=["tasks", "urgent"])
    rig.wait(lambda: {r[1] for r in rig.runs("daily")} == {"finished"})
    again = rig.ask("daily")
    state, reason = rig.until(again, "refused")
    assert "less than 23h before" in reason and "--force" in reason
    rig.until(rig.ask("daily", "--dry-run"), "finished")
    rig.until(rig.ask("daily", "--force"), "finished")
    rig.wait(lambda: rig.row(again, "notified_at is not null")[0])
    assert [e["state"] for e in rig.announced(again)] == ["refused"]


# ---- refusals, failures, limits -----------------------------------------------------------------------------------------------------------------


def test_precondition(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    assert rig.until(rig.ask("guarded"), "refused", "published") == ("refused", "nobody signed the log")
    rig.database.execute("insert into club_log values ('me')")
    assert rig.until(rig.ask("guarded"), "refused", "published") == ("published", "")


def test_a_due_statement_that_fails_stops_its_run_only(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.start(lanes=["tasks", "urgent"])
    bad, null, good = rig.ask("broken"), rig.ask("nameless"), rig.ask("sweep")
    state, reason = rig.until(bad, "failed")
    assert "bad.due.sql" in reason and 'relation "persons" does not exist' in reason and "42P01" in reason
    state, reason = rig.until(null, "failed")
    assert "null.due.sql: a row has no subject" in reason
    rig.until(good, "finished")
    rig.wait(lambda: rig.database.rows("select run from told") == [(bad,)])
    assert rig.database.value("select count(*) from rollcall.plan where run_no in (select run_no from rollcall.run where state = 'failed')") == 0


def test_a_slow_due_statement_delays_nobody_and_ends_with_its_time_limit(rig, embedded):
    rig = rig(embedded, people=3)
    s = rig.scheduler()
    rig.start(lanes=["tasks", "urgent"])
    slow = rig.ask("slow")
    rig.wait(lambda: rig.database.value("select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"))
    rig.until(rig.ask("sweep"), "published")
    assert rig.state(slow) == "requested"
    assert rig.until(slow, "cancelled")[1].startswith("time limit")
    rig.wait(lambda: rig.database.rows("select run from told") == [(slow,)])
    slow = rig.ask("slow")
    rig.wait(lambda: rig.database.value("select count(*) from pg_stat_activity where query like 'fetch%%' and state = 'active'"))
    started = time.monotonic()
    assert rig.stop(s) == 0 and time.monotonic() - started < 5  # in the middle of it


def test_time_limit_of_a_run(rig, embedded):
    """What is left of it is skipped by the workers."""
    rig = rig(embedded, people=20, batch_max=5)
    with rig.database.connect() as gate:
        gate.execute("select pg_advisory_lock(77)")
        rig.scheduler()
        run = rig.ask("limited")
        rig.until(run, "published")
        rig.start(lanes=["tasks", "urgent"])
        assert rig.until(run, "cancelled") == ("cancelled", "time limit of 3 s")
        gate.execute("select pg_advisory_unlock(77)")
    rig.wait(lambda: rig.database.value("select done from rollcall.run_progress where run_id = %s", (run,)) == 20)
    skipped = rig.database.value("select count(*) from rollcall.outcome_named where outcome = 'skipped' and reason = 'run cancelled'")
    assert skipped >= 10
    rig.wait(lambda: rig.database.value("select count(*) from told where run = %s", (run,)) == 2)
    rig.wait(lambda: [e["state"] for e in rig.announced(run)][-1] == "cancelled")


def test_concurrency(rig, embedded):
    rig = rig(embedded, people=2)
    rig.scheduler()
    first = rig.ask("alone")
    rig.until(first, "published")
    assert "still open" in rig.until(rig.ask("alone"), "refused")[1]
    rig.until(rig.ask("alone", "--dry-run"), "published")
    rig.until(rig.ask("alone", "--force"), "published")
    first = rig.ask("replaced")
    rig.until(first, "published")
    second = rig.ask("replaced")
    assert rig.until(first, "cancelled") == ("cancelled", f"replaced by run {second}")
    rig.until(second, "published")


# ---- closing ------------------------------------------------------------------------------------------------------------------------------------


def test_a_run_ends_with_its_proof_and_what_follows_from_it(rig, broker):
    rig = rig(broker, people=300, lanes='[ "tasks", "urgent", "mail", "jobs" ]')
    s = rig.scheduler()
    rig.start()
    run = rig.ask("sure")
    assert rig.until(run, "finished", "failed") == ("finished", "")
    planned, applied, spawned, match = rig.database.rows("select planned, applied, spawned, digest_matches from rollcall.run_progress where run_id = %s", (run,))[0]
    assert match and planned == 300 + spawned and spawned >= 600 and applied == planned
    assert re.search(rf"run closed.*job=club.sure state=finished.* planned={planned} applied={applied} skipped=0 failed=0", s.text())
    rig.wait(lambda: rig.database.value("select count(*) from told") == 2)
    ids = {str(uuid.uuid5(uuid.UUID(run), f"on/club.told-{what}")) for what in ("success", "finish")}
    assert {str(r[0]) for r in rig.database.rows("select task_id from rollcall.outcome_named where type like 'club.told-%%'")} == ids
    rig.wait(lambda: rig.row(run, "notified_at is not null")[0])
    last = rig.announced(run)[-1]
    assert (last["state"], last["planned"]) == ("finished", planned)


def test_a_failed_task_fails_the_run(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    rig.start()
    run = rig.ask("mixed")
    assert rig.until(run, "finished", "failed") == ("failed", "1 failed and 0 quarantined of 3 tasks")
    rig.wait(lambda: rig.database.value("select count(*) from told") == 2)
    assert {r[0] for r in rig.database.rows("select type from rollcall.outcome_named where type like 'club.told-%%'")} == {"club.told-failure", "club.told-finish"}
    dry = rig.ask("mixed", "--dry-run")
    rig.until(dry, "failed")
    rig.wait(lambda: rig.row(dry, "notified_at is not null")[0])
    assert rig.database.value("select count(*) from told") == 2


def test_outcomes_that_were_not_planned_are_no_proof(rig, embedded):
    rig = rig(embedded, people=3)
    rig.scheduler()
    run = rig.ask("sweep")
    rig.until(run, "published")
    rig.database.execute("insert into rollcall.progress (run_no, source_no, applied, digest_a) select run_no, 1, 3, 5 from rollcall.run")
    state, reason = rig.until(run, "failed")
    assert reason == "the proof of completeness fails: 3 outcomes for 3 planned tasks, digest different"

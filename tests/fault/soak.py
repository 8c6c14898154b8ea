# SPDX-License-Identifier: Apache-2.0
"""Faults composed at random, for as long as asked: ./check soak --minutes N --seed S. Work never
ceases meanwhile; verify.py has the last word.

Two to four workers, of one thread per lane or two, two schedulers and an aggregator run; each
fault heals by itself, and after it a handful of requests in each lane measures how
long it takes until they are answered.
"""

import signal
import statistics
import subprocess
import threading
import time
import uuid
from collections import Counter

import psycopg
import verify
from cluster import Node, encode_task
from harness.postgres import Database, Postgres

PEOPLE = 400
POINTS = [
    "worker.polled",
    "decide.uncommitted",
    "decide.committed",
    "outcomes.published",
    "outcomes.acked",
    "offsets.committed",
    "positions.unwritten",
    "positions.written",
    "mail.unsent",
    "smtp.message.unsent",
    "smtp.message.answered",
    "mail.sent",
    "settle.uncommitted",
    "settle.committed",
    "partitions.claimed",
    "partitions.revoked",
    "recover.republished",
]
SCHEDULER_POINTS = [
    "plan.uncommitted",
    "plan.committed",
    "fanout.task",
    "fanout.chunk",
    "fanout.unnoted",
    "close.uncommitted",
    "announce.unnoted",
]
RECOVERY_MAX_S = 60
STATES = [
    "PT403",
    "42501",
    "XX000",
    "P0001",
    "22012",
    "42703",
]  # what a trigger of an application may raise
CANCEL_GRACE_S = (
    20  # a worker that sleeps with a batch in hand, or is cut off, does it when it is back
)
DRAIN_MAX_S = 20  # of which 10 are its own
# How an operator's command ends, or a statement of ours, while a server is unavailable.
AWAY = (AssertionError, OSError, ValueError, IndexError, psycopg.Error, subprocess.SubprocessError)


class Soak:
    def __init__(self, w, node, chance):
        self.w, self.node, self.chance = w, node, chance
        self.faults, self.recoveries, self.asked, self.refused = Counter(), [], Counter(), Counter()
        self.ending, self.probes = threading.Event(), 0
        self.later, self.trapped, self.renamed, self.leaving = [], set(), set(), []
        self.cancelled, self.released = 0, 0
        self.kafka_proxy = node.proxies[0]

    # ---- the database, which may be unavailable at any moment

    def rows(self, sql, parameters=None, timeout=60):
        end = time.monotonic() + timeout
        while True:
            try:
                with psycopg.connect(
                    self.w.database.conninfo_tcp, autocommit=True, connect_timeout=2
                ) as db:
                    done = db.execute(sql, parameters)
                    return done.fetchall() if done.description else []
            except psycopg.Error:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    # ---- work that never ceases

    def traffic(self):
        chance = __import__("random").Random(self.chance.random())
        while not self.ending.is_set():
            # always work, but no more than this machine does now: what is measured is a fault's
            # end, not a queue
            try:
                while (
                    not self.ending.is_set()
                    and self.rows(
                        "select count(*) from rollcall.run where rollcall.run_is_open(state)"
                    )[0][0]
                    > 3
                ):
                    self.ending.wait(0.2)
            except psycopg.Error:
                pass
            what = chance.choice(
                ["sweep", "sweep", "mailing", "bumping", "careful", "grants", "requests"]
            )
            try:
                if what == "requests":
                    self.w.requests(60, people=PEOPLE, item=f"q{self.asked[what]}-")
                elif what == "grants":
                    self.send([("club.grant", "urgent") for _ in range(30)])
                else:
                    self.w.ask(what)
                self.asked[what] += 1
            except AWAY:
                self.refused[what] += 1  # a server was unavailable: the caller may ask again
            self.ending.wait(0.5 + chance.random() * 2)

    def send(self, kinds):
        """Ad-hoc tasks, each about an item of its own; those that Kafka has acknowledged."""
        ids, acknowledged = [], []
        for name, lane in kinds:
            self.probes += 1
            subject, task = str(self.probes % PEOPLE + 1), uuid.uuid4()
            ids.append(task)
            self.w.producer.produce(
                self.w.topic(lane),
                encode_task(task, name, subject, f"x{self.probes}"),
                subject.encode(),
                on_delivery=lambda e, m, t=task: None if e else acknowledged.append(t),
            )
        left = self.w.producer.flush(30)
        assert left == 0 and len(acknowledged) == len(ids)
        return acknowledged

    # ---- who runs

    def running(self, kind):
        leaving = [p for p, _ in self.leaving]
        return [p for p in self.w.processes if p.kind == kind and p.running() and p not in leaving]

    def routes(self):
        return (
            self.w.through(
                postgres=self.w.postgres_proxy, kafka=self.kafka_proxy, smtp=self.w.smtp_proxy
            )
            if self.chance.random() < 0.5
            else {}
        )

    def start(self, kind, failpoints=""):
        p = self.w.start(
            kind, failpoints, ready=False, threads=self.chance.choice([1, 2]), **self.routes()
        )
        p.expected = bool(failpoints)
        return p

    def supervise(self):
        """What a service manager does, now and then with a failpoint in it; and what heals by
        now.
        """
        c = self.chance
        for entry in [e for e in self.later if e[0] <= time.monotonic()]:
            self.later.remove(entry)
            entry[1]()
        for p, until in list(self.leaving):
            assert not p.running() or time.monotonic() < until, (
                f"{p.name} did not end within {DRAIN_MAX_S} s of SIGTERM{self.w.tail()}"
            )
            if not p.running():
                assert p.child.returncode in (
                    0,
                    -signal.SIGKILL,
                ), f"{p.name} ended with {p.child.returncode}{self.w.tail()}"
                self.leaving.remove((p, until))
        for kind, least, points in (
            ("worker", 2, POINTS),
            ("scheduler", 2, SCHEDULER_POINTS),
            ("aggregator", 1, ["totals.uncommitted", "totals.committed"]),
        ):
            while len(self.running(kind)) < least:
                deadly = c.random() < 0.4
                point = c.choice(points)
                most = 200 if "task" in point or "acked" in point else 30
                self.start(
                    kind,
                    (
                        f"{point}={c.choice(['kill', 'kill', 'sleep:3000'])}@{c.randint(1, most)}"
                        if deadly
                        else ""
                    ),
                )
                if deadly:
                    self.faults[f"failpoint {kind}"] += 1
        for p in self.w.processes:
            assert p.running() or p.child.returncode == -signal.SIGKILL or p.expected, (
                f"{p.name} ended with {p.child.returncode}{self.w.tail()}"
            )

    def end(self, p, number):
        p.expected = True
        p.send_signal(number)

    def drain(self, p):
        self.end(p, signal.SIGTERM)
        self.leaving.append((p, time.monotonic() + DRAIN_MAX_S))

    # ---- faults; each ends healed

    def worker_killed(self):
        self.end(self.chance.choice(self.running("worker")), signal.SIGKILL)

    def workers_all_killed(self):
        for p in self.running("worker"):
            self.end(p, signal.SIGKILL)

    def worker_drained(self):
        self.drain(self.chance.choice(self.running("worker")))
        self.start("worker")

    def worker_joins(self):
        if len(self.running("worker")) < 4:
            self.start("worker")

    def worker_frozen(self):
        p = self.chance.choice(self.running("worker"))
        p.send_signal(signal.SIGSTOP)
        time.sleep(2 + self.chance.random() * 4)
        p.send_signal(signal.SIGCONT)

    def worker_reloaded(self):
        self.chance.choice(self.running("worker")).send_signal(signal.SIGHUP)

    def scheduler_killed(self):
        self.end(self.chance.choice(self.running("scheduler")), signal.SIGKILL)

    def scheduler_frozen(self):
        p = self.chance.choice(self.running("scheduler"))
        p.send_signal(signal.SIGSTOP)
        time.sleep(1 + self.chance.random() * 3)
        p.send_signal(signal.SIGCONT)

    def aggregator_killed(self):
        for p in self.running("aggregator"):
            self.end(p, signal.SIGKILL)

    def backends_terminated(self):
        self.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like"
            " 'rollcall-%%' and random() < 0.7"
        )

    def database_crashed(self):
        self.w.database.db.close()
        self.w.postgres.restart(crash=True)
        self.w.database.db = self.w.postgres.connect(self.w.database.name)

    def broker_restarted(self):
        self.node.restart()

    def broker_crashed(self):
        self.node.restart(crash=True)

    def commit_reply_lost(self):
        self.w.postgres_proxy.lose_reply(nth=self.chance.randint(1, 10))

    def database_cut_off(self):
        self.w.postgres_proxy.black_hole(*self.chance.choice([("up",), ("down",), ("up", "down")]))
        time.sleep(1 + self.chance.random() * 5)
        self.w.postgres_proxy.heal()

    def broker_cut_off(self):
        self.kafka_proxy.black_hole(*self.chance.choice([("up",), ("down",), ("up", "down")]))
        time.sleep(1 + self.chance.random() * 5)
        self.kafka_proxy.heal()

    def links_reset(self):
        for p in (self.w.postgres_proxy, self.kafka_proxy, self.w.smtp_proxy):
            p.reset()

    def links_slow(self):
        for p in (self.w.postgres_proxy, self.kafka_proxy, self.w.smtp_proxy):
            p.latency, p.slice = 0.01, self.chance.choice([0, 1000])
        time.sleep(4)
        for p in (self.w.postgres_proxy, self.kafka_proxy, self.w.smtp_proxy):
            p.heal()

    def relay_away(self):
        self.w.sink.stop()
        time.sleep(self.chance.random() * 3)
        self.w.sink.start()

    def relay_reset(self):
        for _ in range(5):
            self.w.smtp_proxy.reset()
            time.sleep(self.chance.random() * 0.3)

    def lanes_replayed(self):
        messages, _ = verify.read_topics(
            self.node.bootstrap,
            [self.w.topic("tasks"), self.w.topic("urgent"), self.w.topic("mail")],
        )
        for m in self.chance.sample(messages, min(len(messages), 300)):
            self.w.producer.produce(m.topic, m.value, m.key)
        self.w.producer.flush(30)

    # ---- faults of the data, of an application beside us, of what others put on the topics; they
    # heal while the next ones come

    def heals(self, seconds, function):
        self.later.append((time.monotonic() + seconds, function))

    def trap(self, people, how):
        """Each person has one trap at most, until it is removed."""
        people = sorted(set(people) - self.trapped)
        self.trapped |= set(people)
        self.rows(
            "update person set trap = %s where id = any(%s) returning id",
            (f"{how} {self.chance.choice(STATES)}", people),
        )

        def heal():
            self.rows("update person set trap = '' where id = any(%s) returning id", (people,))
            self.trapped -= set(people)
            if self.chance.random() < 0.5:
                self.tool("quarantine", "replay", "--all", "--yes")

        self.heals(1 + self.chance.random() * 5, heal)

    def tool(self, *args):
        """What an operator does; false when a server was unavailable."""
        try:
            self.w.cli(*args)
            return True
        except AWAY:
            return False

    def few_refused(self):
        self.trap(self.chance.sample(range(1, PEOPLE + 1), self.chance.randint(1, 5)), "raise")

    def everybody_refused(self):
        self.trap(range(1, PEOPLE + 1), "raise")

    def records_refused(self):
        self.trap(self.chance.sample(range(1, PEOPLE + 1), 20), "record")

    def column_renamed(self):
        column = self.chance.choice(["hits", "email"])
        if column in self.renamed:
            return
        self.renamed.add(column)
        self.rename(column, f"{column}_renamed")

        def heal():
            self.rename(f"{column}_renamed", column)
            self.renamed.discard(column)
            if self.chance.random() < 0.5:
                for (name,) in self.rows("select type from rollcall.paused_type_named"):
                    self.tool("types", "resume", name)

        self.heals(1 + self.chance.random() * 5, heal)

    def rename(self, old, new):
        self.rows(
            "do $$ begin set local lock_timeout = '20s'; if exists (select from pg_attribute where"
            f" attrelid = 'person'::regclass and attname = '{old}') then alter table person rename"
            f" {old} to {new}; end if; end $$"
        )

    def lock(self, sql, parameters=None):
        """Held by another session, which ends by itself: what waits for it may be us."""
        try:
            db = psycopg.connect(self.w.database.conninfo_tcp, connect_timeout=2)
            db.execute("set lock_timeout = '3s'")
            db.execute(sql, parameters)
        except psycopg.Error:
            return
        timer = threading.Timer(0.5 + self.chance.random() * 5, db.close)
        timer.daemon = True
        timer.start()

    def rows_locked(self):
        first = self.chance.randint(1, PEOPLE)
        self.lock(
            "select from person where id between %s and %s for update",
            (first, first + self.chance.choice([0, 5, 50])),
        )

    def table_locked(self):
        self.lock("lock table person in share mode")

    def drained_while_rows_are_locked(self):
        self.rows_locked()
        time.sleep(self.chance.random())
        workers = self.running("worker")
        if workers:
            p = self.chance.choice(workers)
            self.drain(p)
        self.start("worker")

    def garbage(self):
        good = encode_task(uuid.uuid4(), "club.grant", "1", "never")
        for _ in range(10):
            value = self.chance.choice(
                [
                    None,
                    b"",
                    self.chance.randbytes(200),
                    good[: self.chance.randint(1, len(good) - 1)],
                    good + b"x",
                    b"\1" * 500_000,
                ]
            )
            self.w.producer.produce(
                self.w.topic(self.chance.choice(["jobs", "tasks", "urgent", "mail"])),
                value,
                b"k",
                partition=self.chance.randrange(4),
            )
        self.w.producer.flush(30)

    def bomb(self):
        self.w.bomb(
            self.chance.choice(["zstd", "gzip", "lz4"]),
            self.chance.choice(["jobs", "tasks", "urgent", "mail"]),
            self.chance.choice([1, 20]),
            self.chance.randrange(4),
        )

    def run_cancelled(self):
        """In the middle: one that is open now, else one that is requested."""
        found = [
            r
            for (r,) in self.rows(
                "select run_id::text from rollcall.run where rollcall.run_is_open(state) and state"
                " <> 'held for review' order by run_no"
            )
        ]
        if not found:
            try:
                found = [self.w.ask("sweep")]
                time.sleep(self.chance.random())
            except AWAY:
                return
        self.cancelled += self.tool("runs", "cancel", self.chance.choice(found), "--yes")

    def run_held(self):
        """Released or cancelled some seconds later."""
        try:
            self.w.ask("capped")
        except AWAY:
            return
        self.heals(2 + self.chance.random() * 5, self.review)

    def review(self):
        for (run,) in self.rows(
            "select run_id::text from rollcall.run where state = 'held for review' order by run_no"
        ):
            if self.chance.random() < 0.5:
                self.released += self.tool("runs", "release", run, "--yes")
            else:
                self.cancelled += self.tool("runs", "cancel", run, "--yes")

    DATA_FAULTS = [
        "few_refused",
        "few_refused",
        "everybody_refused",
        "records_refused",
        "column_renamed",
        "column_renamed",
        "rows_locked",
        "rows_locked",
        "table_locked",
        "drained_while_rows_are_locked",
        "drained_while_rows_are_locked",
        "garbage",
        "bomb",
        "run_cancelled",
        "run_cancelled",
        "run_held",
        "run_held",
    ]
    FAULTS = [
        "worker_killed",
        "worker_killed",
        "workers_all_killed",
        "worker_drained",
        "worker_joins",
        "worker_frozen",
        "worker_frozen",
        "worker_reloaded",
        "scheduler_killed",
        "scheduler_frozen",
        "aggregator_killed",
        "backends_terminated",
        "database_crashed",
        "broker_restarted",
        "broker_crashed",
        "commit_reply_lost",
        "commit_reply_lost",
        "database_cut_off",
        "broker_cut_off",
        "links_reset",
        "links_slow",
        "relay_away",
        "relay_reset",
        "lanes_replayed",
    ]

    def open_of(self, ids):
        """What these requests wait for: their row in the ledger, and all that is parked of
        their subjects.
        """
        return "\n".join(
            map(
                str,
                self.rows(
                    "select i, o.subject, o.outcome, h.held_no, h.state, t.name, h.tries, h.due_at,"
                    " h.since, h.errors[1] from unnest(%s) i left join rollcall.outcome_adhoc o on"
                    " o.task_id = i left join rollcall.held h on h.subject = o.subject left join"
                    " rollcall.task_type t on t.type_no = h.type_no where o.outcome is null or"
                    " o.outcome < 0 order by o.subject, h.held_no",
                    (ids,),
                )
                + self.rows(
                    "select type_no, since, resumed_at, published_again_at from"
                    " rollcall.paused_type"
                ),
            )
        )

    def recover(self, after):
        """How long requests in each lane wait for their outcome now."""
        start, ids = time.monotonic(), []
        while not ids:
            try:
                ids = self.send(
                    [
                        (name, lane)
                        for _ in range(6)
                        for name, lane in (
                            ("club.grant", "urgent"),
                            ("club.bump", "tasks"),
                            ("club.greet", "mail"),
                        )
                    ]
                )
            except AssertionError:
                pass
        while self.rows(
            "select count(*) from rollcall.outcome_adhoc where task_id = any(%s) and outcome >= 0",
            (ids,),
        )[0][0] < len(ids):
            self.supervise()
            assert time.monotonic() - start < 2 * RECOVERY_MAX_S, (
                f"no recovery from {after} within {2 * RECOVERY_MAX_S} s;"
                f" {self.open_of(ids)}{self.w.tail()}"
            )
            time.sleep(0.1)
        self.recoveries.append((time.monotonic() - start, after))

    def run(self, seconds):
        self.supervise()
        for p in self.w.processes:
            p.wait_until(lambda p=p: 'msg="ready"' in p.text() or p.expected, 20)
        traffic = threading.Thread(target=self.traffic)
        traffic.start()
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                time.sleep(self.chance.random() * 1.5)
                self.supervise()
                name = self.chance.choice(self.FAULTS + self.DATA_FAULTS)
                getattr(self, name)()
                self.faults[name] += 1
                self.supervise()
                if self.chance.random() < 0.7:  # else the next one comes on top of it
                    self.recover(name)
        finally:
            self.ending.set()
            traffic.join()

    def heal_all(self):
        for p in (self.w.postgres_proxy, self.kafka_proxy, self.w.smtp_proxy):
            p.heal()
        for _, heal in [self.later.pop(0) for _ in range(len(self.later))]:
            heal()

    def quiet(self, seconds):
        """Until nothing is left to do. A run that is held for review now is reviewed."""
        end = time.monotonic() + seconds
        while self.w.unfinished():
            self.supervise()
            self.review()
            assert time.monotonic() < end, self.w.unfinished() + self.w.tail()
            time.sleep(0.2)

    def finish(self):
        self.heal_all()
        self.recover("the last one")
        self.quiet(240)
        self.quarantined = self.rows(
            "select count(*) from rollcall.held where state = 'quarantined'"
        )[0][0]
        if self.quarantined:  # all is healed: what is retried now is done
            self.w.cli("quarantine", "replay", "--all", "--yes")
            self.quiet(120)
            left = self.rows(
                "select state, subject, errors from rollcall.held where state in ('quarantined',"
                " 'behind')"
            )
            assert not left, f"quarantined again after all was healed: {left[:5]}{self.w.tail()}"
            # The runs are closed; what follows from what was replayed is still under way.
            self.w.wait(
                lambda: (
                    self.rows(
                        "select count(*) from rollcall.run_progress where done < planned and state"
                        " in ('succeeded', 'completed with errors')"
                    )[0][0]
                    == 0
                ),
                120,
                "the outcomes of what follows from replayed tasks",
            )
        for p in self.w.processes:
            if p.running():
                self.w.measure(p)
                self.end(p, signal.SIGTERM)
        for p in self.w.processes:
            if p.running():
                p.wait(30)
        assert not self.w.leftovers()
        state = verify.State(
            self.w.database.conninfo_tcp,
            self.node.bootstrap,
            self.w.prefix,
            self.w.folder / "mails",
            self.w.logs_folder,
        )
        return (
            state,
            verify.Verify(state, repeated_mails="paused", cancel_grace=CANCEL_GRACE_S).run(),
        )


def test_soak(request, cluster, chance):
    config = request.config
    minutes, node, server = config.getoption("--minutes"), Node(proxies=1), Postgres(fsync=True)
    try:
        w = cluster(
            node=node, database=Database(server, "soak"), people=PEOPLE, batch=50, lock="500ms"
        )
        soak, started = Soak(w, node, chance), time.monotonic()
        soak.run(minutes * 60)
        state, r = soak.finish()
        n, times = r.numbers, [t for t, _ in soak.recoveries]
        slowest = max(soak.recoveries)
        print(f"""
soak: seed {config.getoption("--seed")}, {(time.monotonic() - started) / 60:.1f} minutes
  runs {len(w.database.rows("select 1 from rollcall.run"))}, tasks planned {n["planned"]},
      ad-hoc {n["adhoc"]}, outcomes {n["outcomes"]}, effects {n["effects"]}, mails {n["mails"]}
  asked {dict(soak.asked)}, refused while a server was unavailable {dict(soak.refused)}
  faults {sum(soak.faults.values())}: {
            ", ".join(f"{k} {v}" for k, v in sorted(soak.faults.items()))
        }
  replies to COMMIT lost: {w.postgres_proxy.swallowed}
  requests {n["requested"]}; runs cancelled {n["cancelled"]},
      with {n["done_after_cancelling"]} tasks done within {
            CANCEL_GRACE_S
        } s after it; held for review {n["held_for_review"]}, released {n["released"]}
  task types paused and resumed: {
            ", ".join(sorted(state.types[z.type_no] for z in state.paused)) or "none"
        }; dead letters {n["dead_letters"]}; quarantined at the end,
      then replayed {soak.quarantined}
  duplicates on the wire: {n["repeated_events"]} events, {n["repeated_letters"]} dead letters
  repeated mails: {n["repeated_mails"]},
      of which {n["counted_as_attempts"]} are counted as attempts (killed, or the answer lost),
      the others are a paused owner's
  recovery after a fault: median {statistics.median(times):.1f} s,
      longest {slowest[0]:.1f} s ({slowest[1]})
  peak memory {max(getattr(p, "peak", 0) for p in w.processes)} KiB
  violations: {sum(r.counts.values())}""")
        assert not r.violations, r.text()
        assert slowest[0] < RECOVERY_MAX_S
    finally:
        node.close()
        server.close()

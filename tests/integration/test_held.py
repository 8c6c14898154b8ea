# SPDX-License-Identifier: Apache-2.0
"""Parked tasks: retries, quarantine, order after them, and what operators do about them."""

import json
import re
from collections import defaultdict

import pytest
from worker_pack import Run
from worker_service import mail_sink, make_service, through  # noqa: F401


def held(service):
    return {
        (r[0], r[1]): r[2]
        for r in service.database.rows("select subject, item, state from rollcall.held")
    }


def quarantine(service, *args):
    return service.rollcall("quarantine", *args)


def listed(service, *args):
    return json.loads(quarantine(service, "list", "--json", *args))


def test_a_failing_task_is_retried(make_service, broker):
    """Two tries fail, the third finds the row fixed: applied, once, with its third attempt; the
    run closes with its digest.
    """
    service = make_service(broker, people=50, retry='attempts = 5; base = "400ms"; max = "400ms";')
    service.database.execute("update person set trap = 'zero' where id = 7")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 51)]))
    service.start(lanes=["tasks"])
    service.wait(
        lambda: service.database.value("select tries from rollcall.held where subject = '7'") == 2
    )
    assert run.progress()["done"] == 49 and run.outcomes()["7"] == (
        "waiting",
        "division by zero (SQLSTATE 22012)",
    )
    errors = service.database.value("select errors from rollcall.held")
    assert len(errors) == 2 and all(
        re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}Z division by zero \(SQLSTATE 22012\)", e)
        for e in errors
    )
    service.database.execute("update person set trap = '' where id = 7")
    service.wait(run.complete)
    assert (
        run.outcomes()["7"] == ("applied", "")
        and held(service) == {}
        and run.progress()["digest_matches"]
    )
    assert service.database.value("select attempt from rollcall.outcome where subject = '7'") == 3
    assert service.database.rows("select hits, count(*) from person group by 1") == [(1, 50)]
    events = [e for e in service.events().values() if e["subject"] == "7"]
    assert [(e["outcome"], e["attempt"], e["replaces"]) for e in events] == [("applied", 3, None)]
    assert service.read("dead-letters") == []
    service.check_ledger(service.events())
    service.stop_all()


def test_repeated_messages_do_not_add_tries(make_service, kafka):
    """The task that waits is published again, twice: still one row, and one effect when it
    succeeds.
    """
    service = make_service(kafka, people=3, retry='attempts = 9; base = "1500ms"; max = "1500ms";')
    service.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in (1, 2, 3)])
    service.send(tasks)
    service.start(lanes=["tasks"])
    service.wait(lambda: held(service) == {("2", ""): "retry"})
    service.send(tasks + tasks)
    service.wait(lambda: service.position() == 9)
    assert service.database.value("select count(*) from rollcall.held") == 1
    service.database.execute("update person set trap = ''")
    service.wait(run.complete)
    assert (
        service.database.rows("select hits, count(*) from person group by 1") == [(1, 3)]
        and run.progress()["digest_matches"]
    )
    service.check_ledger(service.events())
    service.stop_all()


def test_quarantine_keeps_the_order_of_a_subject(make_service, broker):
    """After its last attempt the subject is quarantined: its later tasks are blocked, everybody
    else continues; replay does all of them, in order.
    """
    service = make_service(broker, people=20)
    service.database.execute("update person set trap = 'zero' where id = 7")
    run = Run(service)
    first = [run.task("bump", n, "1") for n in range(1, 21)]
    second = [run.task("bump", n, item) for item in ("2", "3") for n in range(1, 21)]
    third = [run.task("other", n, "4") for n in range(1, 21)]
    service.plan = run.plan(first + second + third)
    service.send(first + second)
    worker = service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            held(service).get(("7", "1")) == "quarantined"
            and held(service).get(("7", "3")) == "behind"
        )
    )
    service.send(third)
    service.wait(run.complete)
    assert held(service) == {
        ("7", "1"): "quarantined",
        ("7", "2"): "behind",
        ("7", "3"): "behind",
        ("7", "4"): "behind",
    }
    assert (
        run.progress()["quarantined"] == 4
        and run.progress()["applied"] == 76
        and run.progress()["digest_matches"]
    )
    rows = listed(service)
    assert [(r["subject"], r["item"], r["state"], r["attempts"]) for r in rows] == [
        ("7", "1", "quarantined", 3),
        ("7", "2", "behind", 1),
        ("7", "3", "behind", 1),
        ("7", "4", "behind", 1),
    ]
    assert "division by zero" in rows[0]["reason"]
    shown = json.loads(quarantine(service, "show", rows[0]["task_id"], "--json"))
    assert len(shown["errors"]) == 3 and shown["state"] == "quarantined"

    letters = [r for *_, r in service.read("dead-letters")]
    assert len(letters) == 4 and sorted(m["attempts"] for m in letters) == [1, 1, 1, 3]
    assert {m["value"] for m in letters} == {t.bytes for t in service.plan if t.subject == "7"}

    # a replay that fails again is quarantined again
    quarantine(service, "replay", rows[0]["task_id"], "--yes")
    service.wait(
        lambda: (
            service.database.value(
                "select attempt from rollcall.outcome where subject = '7' and item = '1' and"
                " outcome = 3"
            )
            == 6
        )
    )
    assert held(service)[("7", "1")] == "quarantined"

    service.database.execute("update person set trap = '' where id = 7")
    assert "1 task" in quarantine(service, "replay", "--reason", "division", "--yes")
    service.wait(lambda: held(service) == {})
    assert [
        r[0] for r in service.database.rows("select item from journal where subject = 7 order by n")
    ] == ["1", "2", "3", "4"]
    progress = run.progress()
    assert (
        progress["applied"],
        progress["quarantined"],
        progress["done"],
        progress["digest_matches"],
    ) == (80, 0, 80, True)
    service.wait(service.acknowledged)
    events = defaultdict(list)
    for e in service.events().values():
        if e["subject"] == "7":
            events[e["item"]].append((e["outcome"], e["attempt"], e["replaces"]))
    assert events["1"] == [
        ("quarantined", 3, None),
        ("quarantined", 6, "quarantined"),
        ("applied", 7, "quarantined"),
    ]
    assert events["4"] == [("quarantined", 1, None), ("applied", 2, "quarantined")]
    assert service.stop(worker) == 0
    service.stop_all()


def test_a_dropped_task_is_skipped_and_unblocks_its_subject(make_service, kafka):
    """A dropped task is skipped, with who dropped it; who was blocked continues."""
    service = make_service(kafka, people=3, retry="attempts = 1;")
    service.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in (1, 2, 3)] + [run.task("gate", 2)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    assert service.database.rows("select state from rollcall.held order by held_no") == [
        ("quarantined",),
        ("behind",),
    ]
    assert "1 task" in quarantine(service, "drop", "--type", "club.bump", "--yes")
    service.wait(lambda: held(service) == {})
    outcome, reason = run.outcomes("bump")["2"]
    assert outcome == "skipped" and reason.startswith("dropped from quarantine by ")
    assert (
        run.outcomes("gate")["2"][0] == "applied"
        and run.progress()["quarantined"] == 0
        and run.progress()["digest_matches"]
    )
    service.stop_all()


def test_drop_of_what_waits_for_its_retry(make_service, kafka):
    """Only when the state is named; it is skipped, nothing is replaced, and who was blocked
    continues.
    """
    service = make_service(kafka, people=3, retry='attempts = 9; base = "60s"; max = "60s";')
    service.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in (1, 2, 3)] + [run.task("gate", 2)]))
    service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            service.database.rows("select state from rollcall.held order by held_no")
            == [("retry",), ("waiting",)]
        )
    )
    task = listed(service, "--state", "retry")[0]["task_id"]
    for options in (
        [task],
        ["--type", "club.gate", "--state", "retry"],
        ["--state", "quarantined"],
    ):
        with pytest.raises(
            AssertionError, match="quarantine drop: 9\\b|no (quarantined )?task.* matches"
        ):
            quarantine(service, "drop", *options, "--yes")
    assert "1 task" in quarantine(service, "drop", task, "--state", "retry", "--yes")
    service.wait(run.complete)
    outcome, reason = run.outcomes("bump")["2"]
    assert (
        outcome == "skipped"
        and reason.startswith("dropped by ")
        and run.outcomes("gate")["2"][0] == "applied"
    )
    assert held(service) == {} and run.progress()["digest_matches"]
    assert [
        (e["outcome"], e["replaces"])
        for e in service.events().values()
        if e["subject"] == "2" and e["type"] == "club.bump"
    ] == [("skipped", None)]
    service.check_ledger(service.events())
    service.stop_all()


def test_drop_while_it_is_tried(make_service, kafka):
    service = make_service(kafka, people=3, retry='attempts = 99; base = "300ms"; max = "300ms";')
    service.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in (1, 2, 3)]))
    service.start(lanes=["tasks"])
    service.wait(lambda: held(service) == {("2", ""): "retry"})
    with service.database.connect() as other, other.cursor() as c:
        c.execute("begin; select from person where id = 2 for update")
        service.wait(
            lambda: (
                service.database.value(
                    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and"
                    " datname = current_database()"
                )
                > 0
            )
        )
        quarantine(service, "drop", "--state", "retry", "--yes")
        c.execute("rollback")
    service.wait(run.complete)
    assert run.outcomes()["2"][0] == "skipped" and run.progress()["digest_matches"]
    service.stop_all()


def test_takeover_of_what_waits(make_service, kafka):
    """The owner is killed while a task waits for its next try, and one is blocked by it: the
    next owner continues with the tries where they were.
    """
    service = make_service(
        kafka, people=5, partitions=1, retry='attempts = 4; base = "1s"; max = "1s";'
    )
    service.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 6)] + [run.task("other", 2)]))
    first = service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            held(service).get(("2", ""))
            and service.database.value("select max(tries) from rollcall.held") >= 1
        )
    )
    first.kill()
    first.stopped = True
    before = service.database.value("select max(tries) from rollcall.held")
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    assert before < 4 and run.progress()["quarantined"] == 2 and run.progress()["digest_matches"]
    assert service.database.value("select max(attempt) from rollcall.outcome") == 4
    service.wait(service.acknowledged)
    service.check_ledger(service.events(repeats=True))
    service.stop_all()


def test_a_deferred_mail_is_sent_later(make_service, kafka, mail_sink):
    """4xx at first: the mail goes out at a later try, with the same Message-ID, and the
    subject's next mail after it.
    """
    service, server = (
        make_service(kafka, people=2, retry='attempts = 100; base = "300ms"; max = "300ms";'),
        mail_sink(),
    )
    through(service, server.port)
    service.database.execute("update person set email = 'defer451@example.org' where id = 2")
    run = Run(service)
    tasks = run.plan([run.task("greet", 1), run.task("greet", 2), run.task("careful", 2)])
    service.send(tasks, "mail")
    service.start(lanes=["mail"])
    service.wait(lambda: (service.database.value("select max(tries) from rollcall.held") or 0) >= 2)
    assert service.database.rows("select state from rollcall.held order by held_no") == [
        ("retry",),
        ("waiting",),
    ]
    service.database.execute("update person set email = 'fine@example.org' where id = 2")
    service.wait(lambda: run.progress()["applied"] == 3)
    assert (
        sorted(m.id for m in service.mails(server.folder))
        == sorted(f"<{t.id}@mail.example.org>" for t in tasks)
        and held(service) == {}
    )
    assert [
        r[0]
        for r in service.database.rows(
            "select t.name from rollcall.outcome o join rollcall.task_type t using (type_no) where"
            " o.subject = '2' and t.name <> 'club.thanks' order by o.at"
        )
    ] == ["club.greet", "club.careful"]
    service.stop_all()


def test_a_deferred_mail_goes_once_while_outcomes_cannot_be_written(make_service, kafka, mail_sink):
    """The database takes little writes, but no outcomes: what the relay has accepted is not sent
    again.
    """
    service, server = (
        make_service(kafka, people=1, retry='attempts = 99; base = "200ms"; max = "200ms";'),
        mail_sink(),
    )
    through(service, server.port)
    service.database.execute("update person set email = 'defer451@example.org'")
    run = Run(service)
    service.send(run.plan([run.task("greet", 1)]), "mail")
    worker = service.start(lanes=["mail"])
    service.wait(lambda: (service.database.value("select max(tries) from rollcall.held") or 0) >= 2)
    service.database.execute(
        """create function full_disk() returns trigger language plpgsql as $$
        begin if new.outcome >= 0 then raise exception using errcode = '53100',
            message = 'disk full'; end if; return new; end $$;
        create trigger full_disk before update on rollcall.outcome for each row
            execute function full_disk()"""
    )
    service.database.execute("update person set email = 'fine@example.org'")
    service.wait(lambda: len(service.mails(server.folder)) == 1)
    service.wait_log(worker, "disk full")
    service.database.execute("drop trigger full_disk on rollcall.outcome")
    service.wait(lambda: run.progress()["applied"] == 1)
    assert (
        len(service.mails(server.folder)) == 1
        and held(service) == {}
        and service.database.value("select attempt from rollcall.outcome") >= 3
    )
    service.stop_all()


@pytest.mark.parametrize("count", [1500])
def test_many_in_quarantine(make_service, kafka, count):
    """All of a batch fails for its last time, then all is replayed with one command."""
    service = make_service(kafka, people=count, retry="attempts = 1;")
    service.database.execute(
        "update person set trap = case when id % 2 = 0 then 'zero' else 'deferred' end"
    )  # in one way, the type would be paused
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, count + 1)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    assert run.progress()["quarantined"] == count
    service.database.execute("update person set trap = ''")
    assert f"{count} tasks" in quarantine(service, "replay", "--all", "--yes")
    service.wait(lambda: run.progress()["applied"] == count)
    service.wait(lambda: held(service) == {})
    assert (
        service.database.rows("select hits, count(*) from person group by 1") == [(1, count)]
        and run.progress()["digest_matches"]
    )
    service.stop_all()


# ---- how fast what is parked is done ----


def lock(other, people):
    other.execute("select from person where id = any(%s) for update", (list(people),))


def test_many_are_due_after_hours_with_few(make_service, kafka):  # noqa: F811
    """One task is retried many times, as the only one; then hundreds are due. They are
    retried together, as if nothing had been before.
    """
    service = make_service(
        kafka,
        people=500,
        partitions=1,
        lock_timeout='"300ms"',
        retry='attempts = 1000; base = "50ms"; max = "50ms";',
    )
    service.database.execute("update person set trap = 'zero' where id = 1")
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 501)])
    service.send(tasks[:1])
    service.start(lanes=["tasks"])
    service.wait(lambda: (service.database.value("select max(tries) from rollcall.held") or 0) > 20)
    with service.database.connect() as other:
        other.autocommit = False
        lock(other, range(2, 501))
        service.send(tasks[1:])
        service.wait(lambda: service.position() == 500)
        waiting = service.database.value("select count(*) from rollcall.held")
        other.rollback()
    assert waiting > 400
    service.wait(lambda: run.progress()["applied"] == 499, 60)
    service.database.execute("update person set trap = ''")
    service.wait(run.complete)
    service.check_ledger(service.events())
    service.stop_all()


def test_many_blocked_tasks_of_one_subject_follow_in_order(make_service, kafka):  # noqa: F811
    """300 are blocked by one. When that is done they follow within seconds, one after the other,
    in their order.
    """
    service = make_service(
        kafka, people=3, partitions=1, retry='attempts = 1000; base = "50ms"; max = "50ms";'
    )
    service.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(service)
    items = [str(n) for n in range(301)]
    service.send(run.plan([run.task("bump", 2, item) for item in items]))
    service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            service.database.rows("select state, count(*) from rollcall.held group by 1 order by 1")
            == [("retry", 1), ("waiting", 300)]
        )
    )
    service.database.execute("update person set trap = ''")
    service.wait(run.complete, 60)
    assert [
        r[0] for r in service.database.rows("select item from journal where subject = 2 order by n")
    ] == items
    service.check_ledger(service.events())
    service.stop_all()


@pytest.mark.parametrize(
    "locked", [range(1, 121), range(1, 500, 3)], ids=["the first", "every third"]
)
def test_rows_that_stay_locked_delay_no_others(make_service, kafka, locked):  # noqa: F811
    """Others of the batches that were parked with them, and later ones, are done while they
    are locked.
    """
    service = make_service(kafka, people=600, partitions=1, lock_timeout='"300ms"')
    run = Run(service)
    tasks = run.plan([run.task("bump", n) for n in range(1, 601)])
    service.start(lanes=["tasks"])
    with service.database.connect() as other, service.database.connect() as some:
        other.autocommit = some.autocommit = False
        lock(other, locked)
        lock(some, set(range(1, 501)) - set(locked))
        service.send(tasks[:500])
        service.wait(lambda: service.position() == 500)
        some.rollback()
        service.wait(lambda: run.progress()["applied"] == 500 - len(locked), 60)
        service.send(tasks[500:])
        service.wait(lambda: run.progress()["applied"] == 600 - len(locked), 30)
        other.rollback()
    service.wait(run.complete, 40)
    assert service.database.rows("select hits, count(*) from person group by 1") == [(1, 600)]
    service.check_ledger(service.events())
    service.stop_all()

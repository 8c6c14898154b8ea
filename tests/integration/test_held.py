# SPDX-License-Identifier: Apache-2.0
"""Tasks set aside: retries, quarantine, order behind them, and what operators do about them."""

import json
import re
from collections import defaultdict

import pytest
from worker_pack import Run
from worker_service import rig, sink, through  # noqa: F401


def held(rig):
    return {
        (r[0], r[1]): r[2]
        for r in rig.database.rows("select subject, item, state from rollcall.held")
    }


def quarantine(rig, *args):
    return rig.rollcall("quarantine", *args)


def listed(rig, *args):
    return json.loads(quarantine(rig, "list", "--json", *args))


def test_a_failing_task_is_tried_again(rig, broker):
    """Two tries fail, the third finds the row mended: applied, once, with its third attempt; the
    run closes with its digest.
    """
    rig = rig(broker, people=50, retry='attempts = 5; base = "400ms"; max = "400ms";')
    rig.database.execute("update person set trap = 'zero' where id = 7")
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in range(1, 51)]))
    rig.start(lanes=["tasks"])
    rig.wait(lambda: rig.database.value("select tries from rollcall.held where subject = '7'") == 2)
    assert run.progress()["done"] == 49 and run.outcomes()["7"] == (
        "waiting",
        "division by zero (SQLSTATE 22012)",
    )
    errors = rig.database.value("select errors from rollcall.held")
    assert len(errors) == 2 and all(
        re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}Z division by zero \(SQLSTATE 22012\)", e)
        for e in errors
    )
    rig.database.execute("update person set trap = '' where id = 7")
    rig.wait(run.complete)
    assert (
        run.outcomes()["7"] == ("applied", "")
        and held(rig) == {}
        and run.progress()["digest_matches"]
    )
    assert rig.database.value("select attempt from rollcall.outcome where subject = '7'") == 3
    assert rig.database.rows("select hits, count(*) from person group by 1") == [(1, 50)]
    events = [e for e in rig.events().values() if e["subject"] == "7"]
    assert [(e["outcome"], e["attempt"], e["replaces"]) for e in events] == [("applied", 3, None)]
    assert rig.read("dead-letters") == []
    rig.check_ledger(rig.events())
    rig.stop_all()


def test_repeated_messages_do_not_add_tries(rig, kafka):
    """The task that waits is published again, twice: still one row, and one effect when it
    succeeds.
    """
    rig = rig(kafka, people=3, retry='attempts = 9; base = "1500ms"; max = "1500ms";')
    rig.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in (1, 2, 3)])
    rig.send(tasks)
    rig.start(lanes=["tasks"])
    rig.wait(lambda: held(rig) == {("2", ""): "retry"})
    rig.send(tasks + tasks)
    rig.wait(lambda: rig.position() == 9)
    assert rig.database.value("select count(*) from rollcall.held") == 1
    rig.database.execute("update person set trap = ''")
    rig.wait(run.complete)
    assert (
        rig.database.rows("select hits, count(*) from person group by 1") == [(1, 3)]
        and run.progress()["digest_matches"]
    )
    rig.check_ledger(rig.events())
    rig.stop_all()


def test_quarantine_keeps_the_order_of_a_subject(rig, broker):
    """After its last attempt the subject is quarantined: its later tasks stand behind, everybody
    else goes on; replay does all of them, in order.
    """
    rig = rig(broker, people=20)
    rig.database.execute("update person set trap = 'zero' where id = 7")
    run = Run(rig)
    first = [run.task("bump", n, "1") for n in range(1, 21)]
    second = [run.task("bump", n, item) for item in ("2", "3") for n in range(1, 21)]
    third = [run.task("other", n, "4") for n in range(1, 21)]
    rig.plan = run.plan(first + second + third)
    rig.send(first + second)
    worker = rig.start(lanes=["tasks"])
    rig.wait(
        lambda: held(rig).get(("7", "1")) == "quarantined" and held(rig).get(("7", "3")) == "behind"
    )
    rig.send(third)
    rig.wait(run.complete)
    assert held(rig) == {
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
    rows = listed(rig)
    assert [(r["subject"], r["item"], r["state"], r["attempts"]) for r in rows] == [
        ("7", "1", "quarantined", 3),
        ("7", "2", "behind", 1),
        ("7", "3", "behind", 1),
        ("7", "4", "behind", 1),
    ]
    assert "division by zero" in rows[0]["reason"]
    shown = json.loads(quarantine(rig, "show", rows[0]["task_id"], "--json"))
    assert len(shown["errors"]) == 3 and shown["state"] == "quarantined"

    letters = [r for *_, r in rig.read("dead-letters")]
    assert len(letters) == 4 and sorted(m["attempts"] for m in letters) == [1, 1, 1, 3]
    assert {m["value"] for m in letters} == {t.bytes for t in rig.plan if t.subject == "7"}

    # a replay that fails again is quarantined again
    quarantine(rig, "replay", rows[0]["task_id"], "--yes")
    rig.wait(
        lambda: (
            rig.database.value(
                "select attempt from rollcall.outcome where subject = '7' and item = '1' and"
                " outcome = 3"
            )
            == 6
        )
    )
    assert held(rig)[("7", "1")] == "quarantined"

    rig.database.execute("update person set trap = '' where id = 7")
    assert "1 task" in quarantine(rig, "replay", "--reason", "division", "--yes")
    rig.wait(lambda: held(rig) == {})
    assert [
        r[0] for r in rig.database.rows("select item from journal where subject = 7 order by n")
    ] == ["1", "2", "3", "4"]
    progress = run.progress()
    assert (
        progress["applied"],
        progress["quarantined"],
        progress["done"],
        progress["digest_matches"],
    ) == (80, 0, 80, True)
    rig.wait(rig.acknowledged)
    events = defaultdict(list)
    for e in rig.events().values():
        if e["subject"] == "7":
            events[e["item"]].append((e["outcome"], e["attempt"], e["replaces"]))
    assert events["1"] == [
        ("quarantined", 3, None),
        ("quarantined", 6, "quarantined"),
        ("applied", 7, "quarantined"),
    ]
    assert events["4"] == [("quarantined", 1, None), ("applied", 2, "quarantined")]
    assert rig.stop(worker) == 0
    rig.stop_all()


def test_a_dropped_task_is_skipped_and_unblocks_its_subject(rig, kafka):
    """A dropped task is skipped, with who dropped it; who stood behind goes on."""
    rig = rig(kafka, people=3, retry="attempts = 1;")
    rig.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in (1, 2, 3)] + [run.task("gate", 2)]))
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    assert rig.database.rows("select state from rollcall.held order by held_no") == [
        ("quarantined",),
        ("behind",),
    ]
    assert "1 task" in quarantine(rig, "drop", "--type", "club.bump", "--yes")
    rig.wait(lambda: held(rig) == {})
    outcome, reason = run.outcomes("bump")["2"]
    assert outcome == "skipped" and reason.startswith("dropped from quarantine by ")
    assert (
        run.outcomes("gate")["2"][0] == "applied"
        and run.progress()["quarantined"] == 0
        and run.progress()["digest_matches"]
    )
    rig.stop_all()


def test_drop_of_what_is_to_be_tried_again(rig, kafka):
    """Only when the state is named; it is skipped, nothing is replaced, and who waited behind
    goes on.
    """
    rig = rig(kafka, people=3, retry='attempts = 9; base = "60s"; max = "60s";')
    rig.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in (1, 2, 3)] + [run.task("gate", 2)]))
    rig.start(lanes=["tasks"])
    rig.wait(
        lambda: (
            rig.database.rows("select state from rollcall.held order by held_no")
            == [("retry",), ("waiting",)]
        )
    )
    task = listed(rig, "--state", "retry")[0]["task_id"]
    for options in (
        [task],
        ["--type", "club.gate", "--state", "retry"],
        ["--state", "quarantined"],
    ):
        with pytest.raises(
            AssertionError, match="quarantine drop: 9\\b|no (quarantined )?task.* matches"
        ):
            quarantine(rig, "drop", *options, "--yes")
    assert "1 task" in quarantine(rig, "drop", task, "--state", "retry", "--yes")
    rig.wait(run.complete)
    outcome, reason = run.outcomes("bump")["2"]
    assert (
        outcome == "skipped"
        and reason.startswith("dropped by ")
        and run.outcomes("gate")["2"][0] == "applied"
    )
    assert held(rig) == {} and run.progress()["digest_matches"]
    assert [
        (e["outcome"], e["replaces"])
        for e in rig.events().values()
        if e["subject"] == "2" and e["type"] == "club.bump"
    ] == [("skipped", None)]
    rig.check_ledger(rig.events())
    rig.stop_all()


def test_drop_while_it_is_tried(rig, kafka):
    rig = rig(kafka, people=3, retry='attempts = 99; base = "300ms"; max = "300ms";')
    rig.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in (1, 2, 3)]))
    rig.start(lanes=["tasks"])
    rig.wait(lambda: held(rig) == {("2", ""): "retry"})
    with rig.database.connect() as other, other.cursor() as c:
        c.execute("begin; select from person where id = 2 for update")
        rig.wait(
            lambda: (
                rig.database.value(
                    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and"
                    " datname = current_database()"
                )
                > 0
            )
        )
        quarantine(rig, "drop", "--state", "retry", "--yes")
        c.execute("rollback")
    rig.wait(run.complete)
    assert run.outcomes()["2"][0] == "skipped" and run.progress()["digest_matches"]
    rig.stop_all()


def test_takeover_of_what_waits(rig, kafka):
    """The owner is killed while a task waits for its next try, and one stands behind it: the
    next owner goes on with the tries where they were.
    """
    rig = rig(kafka, people=5, partitions=1, retry='attempts = 4; base = "1s"; max = "1s";')
    rig.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in range(1, 6)] + [run.task("other", 2)]))
    first = rig.start(lanes=["tasks"])
    rig.wait(
        lambda: (
            held(rig).get(("2", ""))
            and rig.database.value("select max(tries) from rollcall.held") >= 1
        )
    )
    first.kill()
    first.stopped = True
    before = rig.database.value("select max(tries) from rollcall.held")
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    assert before < 4 and run.progress()["quarantined"] == 2 and run.progress()["digest_matches"]
    assert rig.database.value("select max(attempt) from rollcall.outcome") == 4
    rig.wait(rig.acknowledged)
    rig.check_ledger(rig.events(repeats=True))
    rig.stop_all()


def test_a_deferred_mail_is_sent_later(rig, kafka, sink):
    """4xx at first: the mail goes out at a later try, with the same Message-ID, and the
    subject's next mail after it.
    """
    rig, server = (
        rig(kafka, people=2, retry='attempts = 100; base = "300ms"; max = "300ms";'),
        sink(),
    )
    through(rig, server.port)
    rig.database.execute("update person set email = 'defer451@example.org' where id = 2")
    run = Run(rig)
    tasks = run.plan([run.task("greet", 1), run.task("greet", 2), run.task("careful", 2)])
    rig.send(tasks, "mail")
    rig.start(lanes=["mail"])
    rig.wait(lambda: (rig.database.value("select max(tries) from rollcall.held") or 0) >= 2)
    assert rig.database.rows("select state from rollcall.held order by held_no") == [
        ("retry",),
        ("waiting",),
    ]
    rig.database.execute("update person set email = 'fine@example.org' where id = 2")
    rig.wait(lambda: run.progress()["applied"] == 3)
    assert (
        sorted(m.id for m in rig.mails(server.folder))
        == sorted(f"<{t.id}@mail.example.org>" for t in tasks)
        and held(rig) == {}
    )
    assert [
        r[0]
        for r in rig.database.rows(
            "select t.name from rollcall.outcome o join rollcall.task_type t using (type_no) where"
            " o.subject = '2' and t.name <> 'club.thanks' order by o.at"
        )
    ] == ["club.greet", "club.careful"]
    rig.stop_all()


def test_a_deferred_mail_goes_once_while_outcomes_cannot_be_written(rig, kafka, sink):
    """The database takes little writes, but no outcomes: what the relay has accepted is not sent
    again.
    """
    rig, server = (
        rig(kafka, people=1, retry='attempts = 99; base = "200ms"; max = "200ms";'),
        sink(),
    )
    through(rig, server.port)
    rig.database.execute("update person set email = 'defer451@example.org'")
    run = Run(rig)
    rig.send(run.plan([run.task("greet", 1)]), "mail")
    worker = rig.start(lanes=["mail"])
    rig.wait(lambda: (rig.database.value("select max(tries) from rollcall.held") or 0) >= 2)
    rig.database.execute(
        """create function full_disk() returns trigger language plpgsql as $$
        begin if new.outcome >= 0 then raise exception using errcode = '53100',
            message = 'disk full'; end if; return new; end $$;
        create trigger full_disk before update on rollcall.outcome for each row
            execute function full_disk()"""
    )
    rig.database.execute("update person set email = 'fine@example.org'")
    rig.wait(lambda: len(rig.mails(server.folder)) == 1)
    rig.wait_log(worker, "disk full")
    rig.database.execute("drop trigger full_disk on rollcall.outcome")
    rig.wait(lambda: run.progress()["applied"] == 1)
    assert (
        len(rig.mails(server.folder)) == 1
        and held(rig) == {}
        and rig.database.value("select attempt from rollcall.outcome") >= 3
    )
    rig.stop_all()


@pytest.mark.parametrize("count", [1500])
def test_many_in_quarantine(rig, kafka, count):
    """All of a batch fails for its last time, then all is replayed with one command."""
    rig = rig(kafka, people=count, retry="attempts = 1;")
    rig.database.execute(
        "update person set trap = case when id % 2 = 0 then 'zero' else 'deferred' end"
    )  # in one way, the type would be paused
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in range(1, count + 1)]))
    rig.start(lanes=["tasks"])
    rig.wait(run.complete)
    assert run.progress()["quarantined"] == count
    rig.database.execute("update person set trap = ''")
    assert f"{count} tasks" in quarantine(rig, "replay", "--all", "--yes")
    rig.wait(lambda: run.progress()["applied"] == count)
    rig.wait(lambda: held(rig) == {})
    assert (
        rig.database.rows("select hits, count(*) from person group by 1") == [(1, count)]
        and run.progress()["digest_matches"]
    )
    rig.stop_all()


# ---- how fast what is set aside is done ----


def lock(other, people):
    other.execute("select from person where id = any(%s) for update", (list(people),))


def test_many_are_due_after_hours_with_few(rig, kafka):  # noqa: F811
    """One task is tried again many times, as the only one; then hundreds are due. They are
    taken up together, as if nothing had been before.
    """
    rig = rig(
        kafka,
        people=500,
        partitions=1,
        lock_timeout='"300ms"',
        retry='attempts = 1000; base = "50ms"; max = "50ms";',
    )
    rig.database.execute("update person set trap = 'zero' where id = 1")
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 501)])
    rig.send(tasks[:1])
    rig.start(lanes=["tasks"])
    rig.wait(lambda: (rig.database.value("select max(tries) from rollcall.held") or 0) > 20)
    with rig.database.connect() as other:
        other.autocommit = False
        lock(other, range(2, 501))
        rig.send(tasks[1:])
        rig.wait(lambda: rig.position() == 500)
        waiting = rig.database.value("select count(*) from rollcall.held")
        other.rollback()
    assert waiting > 400
    rig.wait(lambda: run.progress()["applied"] == 499, 60)
    rig.database.execute("update person set trap = ''")
    rig.wait(run.complete)
    rig.check_ledger(rig.events())
    rig.stop_all()


def test_many_blocked_tasks_of_one_subject_follow_in_order(rig, kafka):  # noqa: F811
    """300 wait behind one. When that is done they follow within seconds, one after the other,
    in their order.
    """
    rig = rig(kafka, people=3, partitions=1, retry='attempts = 1000; base = "50ms"; max = "50ms";')
    rig.database.execute("update person set trap = 'zero' where id = 2")
    run = Run(rig)
    items = [str(n) for n in range(301)]
    rig.send(run.plan([run.task("bump", 2, item) for item in items]))
    rig.start(lanes=["tasks"])
    rig.wait(
        lambda: (
            rig.database.rows("select state, count(*) from rollcall.held group by 1 order by 1")
            == [("retry", 1), ("waiting", 300)]
        )
    )
    rig.database.execute("update person set trap = ''")
    rig.wait(run.complete, 60)
    assert [
        r[0] for r in rig.database.rows("select item from journal where subject = 2 order by n")
    ] == items
    rig.check_ledger(rig.events())
    rig.stop_all()


@pytest.mark.parametrize(
    "locked", [range(1, 121), range(1, 500, 3)], ids=["the first", "every third"]
)
def test_rows_that_stay_locked_delay_no_others(rig, kafka, locked):  # noqa: F811
    """Others of the batches that were set aside with them, and later ones, are done while they
    are locked.
    """
    rig = rig(kafka, people=600, partitions=1, lock_timeout='"300ms"')
    run = Run(rig)
    tasks = run.plan([run.task("bump", n) for n in range(1, 601)])
    rig.start(lanes=["tasks"])
    with rig.database.connect() as other, rig.database.connect() as some:
        other.autocommit = some.autocommit = False
        lock(other, locked)
        lock(some, set(range(1, 501)) - set(locked))
        rig.send(tasks[:500])
        rig.wait(lambda: rig.position() == 500)
        some.rollback()
        rig.wait(lambda: run.progress()["applied"] == 500 - len(locked), 60)
        rig.send(tasks[500:])
        rig.wait(lambda: run.progress()["applied"] == 600 - len(locked), 30)
        other.rollback()
    rig.wait(run.complete, 40)
    assert rig.database.rows("select hits, count(*) from person group by 1") == [(1, 600)]
    rig.check_ledger(rig.events())
    rig.stop_all()

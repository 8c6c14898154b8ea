# SPDX-License-Identifier: Apache-2.0
"""What kills its worker three times is quarantined; everything else continues."""

from worker_pack import Run
from worker_service import mail_sink, make_service  # noqa: F401

# The person's statement, or mail, hangs; the test then kills the worker: as an operating system
# would when memory is missing.
HANG = """
create function hang() returns trigger language plpgsql as $$ begin if new.id = 7
    then perform pg_sleep(300); end if; return new; end $$;
create trigger hang before update on person for each row execute function hang();
"""


def hangs(service):
    return service.database.value(
        "select count(*) from pg_stat_activity where application_name like 'rollcall-worker%' and"
        " wait_event = 'PgSleep'"
    )


def die_until(service, done, lanes):
    """Workers are started and killed, until `done`. How many died."""
    deaths = 0
    while True:
        worker = service.start(lanes=lanes)
        service.wait(lambda: hangs(service) or done(), 60)
        if done():
            return deaths
        service.kill(worker)
        deaths += 1
        assert deaths < 6
        service.wait(lambda: not hangs(service), 30)


def test_a_statement_that_kills(make_service, kafka):
    service = make_service(kafka, people=40, partitions=1, session="2s")
    service.database.execute(HANG)
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 41)]))
    assert die_until(service, run.complete, ["tasks"]) == 3
    outcomes = run.outcomes()
    assert outcomes.pop("7") == ("quarantined", "the worker died three times while doing this")
    assert set(outcomes.values()) == {("applied", "")} and run.progress()["digest_matches"]
    service.database.execute("drop trigger hang on person")
    assert "1 task" in service.rollcall("quarantine", "replay", "--all", "--yes")
    service.wait(lambda: run.progress()["applied"] == 40)
    assert service.database.rows("select hits, count(*) from person group by 1") == [(1, 40)]
    service.stop_all()


def test_idle_workers_that_die(make_service, kafka):
    """Workers that are killed while there is nothing to do leave no doubt about what comes
    later.
    """
    service = make_service(kafka, people=500, partitions=2, session="2s")
    for _ in range(4):
        worker = service.start(lanes=["tasks"])
        service.kill(worker)
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 501)]))
    service.start(lanes=["tasks"])
    service.wait(run.complete)
    assert run.progress()["applied"] == 500
    service.stop_all()
    assert service.database.rows(
        "select distinct claimed_by, deaths, trying from rollcall.position where topic = %s",
        (service.topic(),),
    ) == [("", 0, None)]

# SPDX-License-Identifier: Apache-2.0
"""A dry run counts the rows that its statements really change, whatever they say that they did."""

from test_worker_now import own
from worker_pack import Run
from worker_service import make_service  # noqa: F401

MORE = """
x as (update person p set hits = hits + 1 where (select count(*) from batch) > 0 returning id),
y as (insert into journal (subject, type, item, run) select subject, 'x', '', '' from batch),
effect as (select subject, 'applied' as outcome from batch)"""


def touched(service, run):
    return service.database.rows(
        "select relation, sum(inserted), sum(updated), sum(deleted) from rollcall.touched where"
        " run_no = %s group by 1 order by 1",
        (run.no,),
    )


def test_a_dry_run_counts_what_it_touched(make_service, kafka, tmp_path):
    """300 people changed for 3 tasks; a trigger's rows are counted, a real task's beside it are
    not; what fails alone is not either.
    """
    service = make_service(kafka, people=300, partitions=1, pack_cfg=own(tmp_path, bump=MORE))
    service.database.execute(
        "create table public.trace (n int); create function public.traced() returns trigger"
        " language plpgsql as $$ begin insert into public.trace values (1); return null; end $$;"
        " create trigger t after insert on public.journal for each row execute function"
        " public.traced()"
    )
    service.database.execute("update public.person set trap = 'zero' where id = 9")
    dry = Run(service, job="rehearsal", dry_run=True)
    real = Run(service, job="sweep")
    service.send(
        dry.plan([dry.task("bump", n) for n in (1, 2, 3)] + [dry.task("other", n) for n in (5, 9)])
        + real.plan([real.task("other", n) for n in (21, 22)])
    )
    service.start(lanes=["tasks"])
    service.wait(dry.complete, 60)
    service.wait(real.complete, 60)
    assert touched(service, dry) == [
        ("public.journal", 4, 0, 0),
        ("public.person", 0, 301, 0),
        ("public.trace", 4, 0, 0),
    ]
    assert touched(service, real) == []
    assert service.database.value("select count(*) from public.person where hits = 1") == 2
    shown = service.rollcall("runs", "show", str(dry.id))
    assert "rows touched  public.journal: 3 inserted, for 3 tasks of club.bump\n" in shown
    assert "public.person: 300 updated, for 3 tasks of club.bump  MORE ROWS THAN TASKS\n" in shown
    assert "public.person: 1 updated, for 1 tasks of club.other\n" in shown
    service.database.execute(
        "update rollcall.run set state = 'succeeded', closed_at = now() where run_no = %s",
        (dry.no,),
    )
    assert "MORE ROWS THAN TASKS" in service.rollcall("runs", "watch", str(dry.id))
    assert service.database.value(
        "select count(*) from rollcall.touched"
    ) > 0 and '"touched"' in service.rollcall("runs", "show", str(dry.id), "--json")
    service.stop_all()

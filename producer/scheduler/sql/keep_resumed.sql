-- SPDX-License-Identifier: Apache-2.0
-- The ledger keeps the open runs that have tasks of the types $1, or follow-ups of them, by task
-- from now on. In the order in which workers lock them.
select rollcall.keep_by_task(run_no)
from (
        select r.run_no
        from rollcall.run r
        where not r.by_task and r.state in ('planned', 'published')
        and (
                exists (
                        select from rollcall.plan p
                        where p.run_no = r.run_no and p.type_no = any($1::int[])
                )
                or exists (
                        select from rollcall.outcome_all o
                        join rollcall.task_type t on o.follow_ups @> array[t.name]
                        where o.day = r.day and o.run_no = r.run_no and t.type_no = any($1::int[])
                )
        )
        order by r.run_no
        offset 0
) r

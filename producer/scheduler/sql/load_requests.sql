-- SPDX-License-Identifier: Apache-2.0
-- The tasks of the requests $1. A task is looked up by a sub-select with a limit, which the planner
-- cannot turn into a join that reads the whole ledger. Of requests that are published again only
-- the tasks that the ledger does not have: the others have been taken by a worker.
select x.ids, x.subjects, x.items, x.arguments
from rollcall.request r
cross join lateral (
        select r.task_ids, r.subjects, r.items, r.arguments
        where not r.again
        union all
        select array_agg(u.id order by u.n), array_agg(u.subject order by u.n),
                array_agg(u.item order by u.n), array_agg(u.argument order by u.n)
        from unnest(r.task_ids, r.subjects, r.items, r.arguments)
                with ordinality as u(id, subject, item, argument, n)
        where (
                select true from rollcall.outcome_adhoc o where o.task_id = u.id limit 1
        ) is null
        having r.again
) x(ids, subjects, items, arguments)
where r.request_no = any($1)
order by r.request_no

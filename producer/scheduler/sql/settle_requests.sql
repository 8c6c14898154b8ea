-- SPDX-License-Identifier: Apache-2.0
-- Published requests after $1, of $2 tasks together, are settled when each task has an outcome. A
-- task that has none ends the search of its request. Returns where the next page begins (null:
-- there is none) and how many were settled.
with next as (
        select request_no, sum(n_tasks) over (order by request_no) - n_tasks as before
        from (
                select request_no, n_tasks
                from rollcall.request
                where kind = 'tasks' and settled_at is null and published_at is not null
                and request_no > $1
                order by request_no
                limit 200
        ) w
),
page as (
        select r.request_no, r.task_ids
        from next join rollcall.request r using (request_no)
        where before < $2
),
settled as (
        update rollcall.request r
        set settled_at = clock_timestamp()
        from page
        where r.request_no = page.request_no and r.published_at is not null
        and not exists (
                select from unnest(page.task_ids) as u(id)
                where (
                        select o.outcome >= 0
                        from rollcall.outcome_adhoc o
                        where o.task_id = u.id
                        limit 1
                ) is not true
        )
        returning 1
)
select max(request_no), (select count(*) from settled)
from page

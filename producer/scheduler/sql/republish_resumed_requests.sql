-- SPDX-License-Identifier: Apache-2.0
-- Requests of the types $1 of which a task has no row in the ledger: what has one is not lost.
update rollcall.request q
set published_at = null, again = true
where q.kind = 'tasks' and q.settled_at is null and q.type_no = any($1::int[])
        and q.published_at is not null
        and exists (
                select from unnest(q.task_ids) i
                where not exists (select from rollcall.outcome_adhoc o where o.task_id = i)
        )

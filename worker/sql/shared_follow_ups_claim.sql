-- SPDX-License-Identifier: Apache-2.0
-- The first task that names a follow-up has it. Keys in order, so that two transactions do not
-- wait for each other.
with requested as (
        select u.n, u.run_no, t.type_no, u.subject, u.item
        from unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
                with ordinality as u(run_no, type, subject, item, n)
        join rollcall.task_type t on t.name = u.type
), first as (
        select distinct on (run_no, type_no, subject, item) *
        from requested
        order by run_no, type_no, subject, item, n
), written as (
        insert into rollcall.shared_follow_up (run_no, type_no, subject, item)
        select run_no, type_no, subject, item
        from first
        order by 1, 2, 3, 4
        on conflict do nothing
        returning run_no, type_no, subject, item
)
select f.n
from first f
join written using (run_no, type_no, subject, item)

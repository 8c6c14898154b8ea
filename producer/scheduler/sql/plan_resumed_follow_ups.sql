-- SPDX-License-Identifier: Apache-2.0
-- The follow-ups of resumed task types that no worker has taken, of runs that are kept by
-- task. $1 types, $2 subjects per chunk.
with size as (
        select $2::bigint as subjects
),
lost as (
        select distinct r.run_no, r.chunks, t.type_no, o.subject::text as subject,
                o.item::text as item
        from rollcall.task_type t
        join rollcall.run r
        on r.by_task and r.state in ('planned', 'published') and t.name like r.pack || '.%'
        join rollcall.outcome o
        on o.day = r.day and o.run_no = r.run_no and o.follow_ups @> array[t.name]
        where t.type_no = any($1::int[]) and
        \ir _is_not_taken.sql
),
\ir _plan_lost.sql

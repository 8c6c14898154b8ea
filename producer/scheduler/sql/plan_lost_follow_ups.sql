-- SPDX-License-Identifier: Apache-2.0
-- The follow-ups that no worker has taken, of runs whose tasks may be lost. They are kept by task.
-- $1, $2: see _is_lost.sql; $3 subjects per chunk.
with size as (
        select $3::bigint as subjects
),
lost as (
        select distinct r.run_no, r.chunks, t.type_no, o.subject::text as subject,
                o.item::text as item
        from rollcall.run r
        join rollcall.outcome o on o.day = r.day and o.run_no = r.run_no
        cross join lateral unnest(o.follow_ups) as f(name)
        join rollcall.task_type t on t.name = f.name
        where r.by_task and
        \ir _is_lost.sql
        and
        \ir _is_not_taken.sql
),
\ir _plan_lost.sql

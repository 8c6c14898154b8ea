-- SPDX-License-Identifier: Apache-2.0
-- What the ledger knows of tasks whose run may not take them: their run's state; whether each has
-- an outcome; whether its type was planned; whether, if it has none, an applied task has it as a
-- follow-up. That task has the same subject and item, and a type of the same pack, of those in $5.
with u as materialized (
        select u.n, u.type, u.subject, u.item, r.run_no, r.day, r.pack, r.state, t.type_no
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
                with ordinality as u(run_id, type, subject, item, n)
        join rollcall.run r using (run_id)
        left join rollcall.task_type t on t.name = u.type
),
of_type as materialized (
        select run_no, day, type_no, array_agg(n order by n) as ns,
                array_agg(subject order by n) as subjects, array_agg(item order by n) as items
        from u
        where type_no is not null
        group by run_no, day, type_no
),
done as materialized (
        select k.ns[o.n] as n
        from of_type k
        cross join lateral rollcall.outcomes_of_tasks(
                k.run_no, k.day, k.type_no, k.subjects, k.items) o
),
rest as materialized (
        select run_no, day, pack, array_agg(n order by n) as ns,
                array_agg(type order by n) as types,
                array_agg(subject order by n) as subjects, array_agg(item order by n) as items
        from u
        where n not in (select n from done)
        group by run_no, day, pack
),
spawned as materialized (
        select k.ns[o.n] as n
        from rest k
        join rollcall.task_type t
        on t.type_no = any($5::smallint[]) and starts_with(t.name, k.pack || '.')
        cross join lateral rollcall.outcomes_of_tasks(
                k.run_no, k.day, t.type_no, k.subjects, k.items) o
        where o.outcome = 0 and k.types[o.n] = any(o.follow_ups)
),
planned as materialized (
        select k.run_no, k.type_no
        from of_type k
        where exists (
                select from rollcall.plan p
                where p.run_no = k.run_no and p.type_no = k.type_no)
)
select u.n, u.state, u.n in (select n from done),
        exists (
                select from planned p
                where p.run_no = u.run_no and p.type_no = u.type_no),
        u.n in (select n from spawned)
from u

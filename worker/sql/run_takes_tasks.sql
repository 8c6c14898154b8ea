-- SPDX-License-Identifier: Apache-2.0
-- What the ledger knows of tasks whose run may not take them: their run's state; whether each has
-- an outcome; whether its type was planned; whether an applied task has it as a follow-up (that
-- task has the same subject and item).
with u as materialized (
        select u.n, u.type, u.subject, u.item, r.run_no, r.day, r.state, t.type_no
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
                with ordinality as u(run_id, type, subject, item, n)
        join rollcall.run r using (run_id)
        left join rollcall.task_type t on t.name = u.type
), asked as materialized (
        select run_no, day, array_agg(n order by n) as ns,
                array_agg(subject order by n) as subjects, array_agg(item order by n) as items
        from u
        group by run_no, day
), of_type as materialized (
        select run_no, day, type_no, array_agg(n order by n) as ns,
                array_agg(subject order by n) as subjects, array_agg(item order by n) as items
        from u
        where type_no is not null
        group by run_no, day, type_no
), done as materialized (
        select k.ns[o.n] as n
        from of_type k
        cross join lateral rollcall.outcomes_of_tasks(
                k.run_no, k.day, k.type_no, k.subjects, k.items) o
), spawned as materialized (
        select distinct u.n
        from asked k
        cross join lateral unnest($5::smallint[]) as t(type_no)
        cross join lateral rollcall.outcomes_of_tasks(
                k.run_no, k.day, t.type_no, k.subjects, k.items) o
        join u on u.n = k.ns[o.n]
        where o.outcome = 0 and u.type = any(o.follow_ups)
)
select u.n, u.state, exists (select from done d where d.n = u.n),
        exists (
                select from rollcall.plan p
                where p.run_no = u.run_no and p.type_no = u.type_no),
        exists (select from spawned s where s.n = u.n)
from u

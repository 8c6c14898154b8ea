-- SPDX-License-Identifier: Apache-2.0
-- What the ledger knows of tasks whose run may not take them: their run's state; whether each has
-- an outcome; whether its type was planned; whether an applied task has it as a follow-up (that
-- task has the same subject and item).
select u.n,
        r.state,
        exists (
                select from rollcall.outcome o
                where o.day = r.day and o.run_no = r.run_no and o.type_no = t.type_no
                        and octet_length(o.subject) = octet_length(u.subject)
                        and o.subject = u.subject and o.item = u.item),
        exists (
                select from rollcall.plan p
                where p.run_no = r.run_no and p.type_no = t.type_no),
        exists (
                select from rollcall.outcome o
                where o.day = r.day and o.run_no = r.run_no and o.type_no = any($5::smallint[])
                        and octet_length(o.subject) = octet_length(u.subject)
                        and o.subject = u.subject and o.item = u.item
                        and o.outcome = 0 and u.type = any(o.follow_ups))
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
        with ordinality as u(run_id, type, subject, item, n)
join rollcall.run r using (run_id)
left join rollcall.task_type t on t.name = u.type

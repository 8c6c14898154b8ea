-- SPDX-License-Identifier: Apache-2.0
-- Outcomes that no statement gave. Of several tasks with one key the first counts: the key of a
-- run's task is (run, type, subject, item), that of an ad-hoc task its id.
with fresh as materialized (
        select distinct on (u.task_id, k.run_no, k.type_no, k.subject, k.item) u.*
        from unnest($1::text[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::int[],
                $7::bigint[], $8::bigint[], $9::smallint[], $10::text[], $11::text[], $12::text[],
                $13::uuid[], $14::text[], $15::boolean[], $16::text[])
                with ordinality
                as u(day, run_no, type_no, subject, item, source_no, src_offset, sequence, outcome,
                        reason, before, after, task_id, actor, dry_run, arguments, n)
        left join lateral (
                select u.run_no, u.type_no, u.subject, u.item
                where u.task_id is null
        ) k on true
        where case when u.task_id is null
                then not exists (
                        select from rollcall.outcome o
                        where o.day = u.day::date and o.run_no = u.run_no
                                and o.type_no = u.type_no
                                and octet_length(o.subject) = octet_length(u.subject)
                                and o.subject = u.subject and o.item = u.item)
                else not exists (
                        select from rollcall.outcome_adhoc o where o.task_id = u.task_id)
                end
        order by u.task_id, k.run_no, k.type_no, k.subject, k.item, u.n
), written as (
        insert into rollcall.outcome (
                day, run_no, type_no, subject, item, source_no, src_offset, sequence, outcome,
                reason, before, after, task_id, actor, dry_run, arguments)
        select day::date, run_no, type_no, subject, item, source_no, src_offset,
                case when outcome >= 0 then sequence end, outcome,
                reason, before, after, task_id, actor, dry_run, arguments::jsonb
        from fresh
)
select n from fresh

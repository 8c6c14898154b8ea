-- SPDX-License-Identifier: Apache-2.0
-- Outcomes and dead letters above the sequence $2, of the position and its predecessors: sequences
-- continue when a topic is re-created, and what was decided last before may still be unpublished.
-- (The sub-select is evaluated once, not for each row.) Publishing needs no arguments. Outcome -3
-- stands for a dead letter.
with found as (
        select o.sequence as place, o.sequence, o.attempt, null::jsonb as arguments,
                null::smallint as tries,
\ir _recover_outcome.sql
        from rollcall.outcome o
        join rollcall.task_type t using (type_no)
        left join rollcall.run r on r.run_no = o.run_no
        left join rollcall.held h
                on o.outcome = 3 and h.source_no = o.source_no and h.src_offset = o.src_offset
        where o.source_no = any((select $1::int || rollcall.earlier_logs($1::int))::int[])
                and o.sequence > $2::bigint
                and o.outcome >= 0
        union all
        select sequence, sequence, 1, null, null,
                case when source_no = $1::int then src_offset
                        else rollcall.adopted_offset(source_no, src_offset) end,
                -3, false, '', '', reason, null, null, null,
                null, null, at, '', null, 0, key, value, null
        from rollcall.dead_letter
        where source_no = any((select $1::int || rollcall.earlier_logs($1::int))::int[])
                and sequence > $2::bigint
        order by place
        limit $3::bigint
),
\ir _recover_rows.sql

-- SPDX-License-Identifier: Apache-2.0
-- Outcomes and dead letters above the sequence $2, of the position and its predecessors: sequences
-- continue when a topic is re-created, and what was decided last before may still be unpublished.
-- Publishing needs no arguments. Outcome -3 stands for a dead letter. Of rows of batches a few are
-- opened at a time: what comes after the last of them is left for the next call.
with sources as materialized (
        select $1::int || rollcall.earlier_logs($1::int) as list
),
upto as materialized (
        select coalesce(
                rollcall.batches_upto((select list from sources), $2::bigint, $3::bigint),
                9223372036854775807) as sequence
),
o as (
        select src_offset, sequence, outcome, attempt, dry_run, subject, item, reason, before,
                after, follow_ups, task_id, actor, at, type_no, run_no, source_no, replaces
        from rollcall.outcome
        where source_no = any((select list from sources)::int[])
                and sequence > $2::bigint
                and sequence <= (select sequence from upto)
                and outcome >= 0
        union all
        select src_offset, sequence, outcome, attempt, dry_run, subject, item, reason, before,
                after, follow_ups, task_id, actor, at, type_no, run_no, source_no, replaces
        from rollcall.outcome_of_batch
        where source_no = any((select list from sources)::int[])
                and last_sequence > $2::bigint
                and first_sequence <= (select sequence from upto)
                and sequence > $2::bigint
                and sequence <= (select sequence from upto)
),
found as (
        select o.sequence as place, o.sequence, o.attempt, null::jsonb as arguments,
                null::smallint as tries,
\ir _recover_outcome.sql
        from o
        join rollcall.task_type t using (type_no)
        left join rollcall.run r on r.run_no = o.run_no
        left join rollcall.held h
                on o.outcome = 3 and h.source_no = o.source_no and h.src_offset = o.src_offset
        union all
        select sequence, sequence, 1, null, null,
                case when source_no = $1::int then src_offset
                        else rollcall.adopted_offset(source_no, src_offset) end,
                -3, false, '', '', reason, null, null, null,
                null, null, at, '', null, 0, key, value, null
        from rollcall.dead_letter d
        where source_no = any((select list from sources)::int[])
                and sequence > $2::bigint
                and sequence <= (select sequence from upto)
        order by place
        limit $3::bigint
),
\ir _recover_rows.sql

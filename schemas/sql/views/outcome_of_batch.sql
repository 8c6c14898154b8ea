-- SPDX-License-Identifier: Apache-2.0
-- The rows of rollcall.outcome_batch task by task, with the columns of rollcall.outcome. An array
-- of one value stands for all of a batch; an outcome that is null belongs to a row of its own. The
-- last columns are the batch's: a condition on them is met before the batch is opened.
-- What all of a batch share is read once, not for each of its tasks (offset 0): lists are stored
-- compressed.
create or replace view rollcall.outcome_of_batch as
select b.run_no, b.first_offset + coalesce(u.shift, u.i - 1) as src_offset,
       b.first_sequence + coalesce(u.step, u.i - 1) as sequence,
       b.at, b.day, b.source_no, b.type_no, coalesce(all_have.outcome, u.outcome) as outcome,
       1::smallint as attempt, null::smallint as replaces, b.dry_run,
       u.subject collate "C" as subject, coalesce(u.item, '') collate "C" as item,
       coalesce(all_have.reason, u.reason, '') as reason,
       coalesce(all_have.before, u.before) as before, coalesce(all_have.after, u.after) as after,
       string_to_array(nullif(coalesce(all_have.follow_ups, u.follow_ups), ''), ',') as follow_ups,
       null::uuid as task_id, null::text as actor, null::jsonb as arguments,
       rollcall.place(b.chunk, b.first + u.i::integer - 1) as place,
       b.first_sequence, b.last_sequence, b.outcome as outcomes, b.chunk, b.first
from rollcall.outcome_batch b
join rollcall.plan p on p.run_no = b.run_no and p.chunk = b.chunk
cross join lateral (
  select case when cardinality(b.outcome) = 1 then b.outcome[1] end as outcome,
         case when cardinality(b.reason) = 1 then b.reason[1] end as reason,
         case when cardinality(b.before) = 1 then b.before[1] end as before,
         case when cardinality(b.after) = 1 then b.after[1] end as after,
         case when cardinality(b.follow_ups) = 1 then b.follow_ups[1] end as follow_ups
  offset 0
) all_have
cross join lateral unnest(
  p.subjects[b.first + 1 : b.first + b.n], p.items[b.first + 1 : b.first + b.n], b.offsets,
  b.sequences, b.outcome, b.reason, b.before, b.after, b.follow_ups
) with ordinality as u(
  subject, item, shift, step, outcome, reason, before, after, follow_ups, i)
where all_have.outcome is not null or u.outcome is not null;

-- The whole ledger, a row for each task.
create or replace view rollcall.outcome_all as
select run_no, src_offset, sequence, at, day, source_no, type_no, outcome, attempt, replaces,
       dry_run, subject, item, reason, before, after, follow_ups, task_id, actor, arguments
from rollcall.outcome
union all
select run_no, src_offset, sequence, at, day, source_no, type_no, outcome, attempt, replaces,
       dry_run, subject, item, reason, before, after, follow_ups, task_id, actor, arguments
from rollcall.outcome_of_batch;

-- SPDX-License-Identifier: Apache-2.0
-- The ledger's outcomes of one source partition with a sequence above $2, up to $3. Of rows of
-- batches a few are opened at a time.
with upto as materialized (
  select least($3::int8, rollcall.batches_upto($1::text::int4[], $2::int8, 5000)) as sequence
),
o as (
  select sequence, outcome, attempt, dry_run, subject, item, reason, at, type_no, run_no, task_id,
         replaces
  from rollcall.outcome
  where source_no = any($1::text::int4[])
    and sequence > $2::int8
    and sequence <= (select sequence from upto)
    and outcome >= 0
  union all
  select sequence, outcome, attempt, dry_run, subject, item, reason, at, type_no, run_no, task_id,
         replaces
  from rollcall.outcome_of_batch
  where source_no = any($1::text::int4[])
    and last_sequence > $2::int8
    and first_sequence <= (select sequence from upto)
    and sequence > $2::int8
    and sequence <= (select sequence from upto)
)
select o.sequence, o.outcome, o.attempt, o.dry_run, o.subject, o.item, o.reason, o.at, t.name,
       r.run_id, coalesce(r.pack, split_part(t.name, '.', 1)), coalesce(r.job, ''), o.task_id,
       o.replaces
from o
join rollcall.task_type t using (type_no)
left join rollcall.run r on r.run_no = o.run_no
order by 1
limit 5000

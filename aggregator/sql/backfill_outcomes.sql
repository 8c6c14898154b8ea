-- SPDX-License-Identifier: Apache-2.0
-- The ledger's outcomes of one source partition with a sequence above $2, up to $3.
select o.sequence, o.outcome, o.attempt, o.dry_run, o.subject, o.item, o.reason, o.at, t.name,
       r.run_id, coalesce(r.pack, split_part(t.name, '.', 1)), coalesce(r.job, ''), o.task_id,
       o.replaces
from rollcall.outcome o
join rollcall.task_type t using (type_no)
left join rollcall.run r on r.run_no = o.run_no
where o.source_no = any($1::text::int4[])
  and o.sequence > $2::int8
  and o.sequence <= $3::int8
  and o.outcome >= 0
order by 1
limit 5000

-- SPDX-License-Identifier: Apache-2.0
create or replace view rollcall.outcome_named as
select r.run_id, r.pack, r.job, t.name as type, o.subject, o.item,
       rollcall.outcome_name(o.outcome) as outcome,
       o.reason, o.before, o.after, o.at, o.dry_run, coalesce(o.actor, r.requested_by) as actor,
       o.attempt, o.task_id, o.run_no, o.type_no, o.day
from rollcall.outcome_all o
join rollcall.task_type t using (type_no)
left join rollcall.run r on r.run_no = o.run_no;

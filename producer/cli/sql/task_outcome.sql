-- SPDX-License-Identifier: Apache-2.0
select a.task_id, t.name as type, a.subject, a.item, rollcall.outcome_name(a.outcome) as outcome,
       a.reason, a.before, a.after, a.at, a.dry_run, a.actor, a.attempt
from rollcall.outcome_adhoc a
join rollcall.task_type t using (type_no)
where a.task_id = $1::uuid and a.outcome >= 0

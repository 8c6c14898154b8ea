-- SPDX-License-Identifier: Apache-2.0
-- Looked up one by one: a join would read all ad-hoc outcomes there are, for each window again.
select u.n::int as n, a.task_id, t.name as type, a.subject, a.item,
       rollcall.outcome_name(a.outcome) as outcome, a.reason, a.before, a.after, a.at, a.dry_run
from unnest($1::uuid[]) with ordinality as u(id, n)
cross join lateral (
  select o.task_id, o.type_no, o.subject, o.item, o.outcome, o.reason, o.before, o.after, o.at,
         o.dry_run
  from rollcall.outcome_adhoc o
  where o.task_id = u.id and o.outcome >= 0
  limit 1
) a
join rollcall.task_type t using (type_no)
order by u.n

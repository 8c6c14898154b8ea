-- SPDX-License-Identifier: Apache-2.0
-- What would be published.
select t.name, sum(cardinality(p.subjects)), p.dry_run
from rollcall.plan p
join rollcall.task_type t using (type_no)
where p.run_no = $1::bigint
group by 1, 3
order by min(p.chunk)

-- SPDX-License-Identifier: Apache-2.0
-- The first task type of which more tasks are planned than the operator confirmed for run $1.
-- Without a confirmation: any row of the run.
select r.expect is null, t.name, sum(cardinality(p.subjects)),
        coalesce((r.expect->>t.name)::bigint, 0)
from rollcall.run r
left join (rollcall.plan p join rollcall.task_type t using (type_no))
on p.run_no = r.run_no and not p.dry_run
where r.run_no = $1
group by 1, 2, 4
having r.expect is null
        or sum(cardinality(p.subjects)) > coalesce((r.expect->>t.name)::bigint, 0)
order by 2
limit 1

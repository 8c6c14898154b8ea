-- SPDX-License-Identifier: Apache-2.0
-- How many subjects are changed by the plan of run $1. $2 the subject of run-level tasks.
select count(distinct s)
from rollcall.plan p, unnest(p.subjects) s
where p.run_no = $1 and not p.dry_run and s <> $2

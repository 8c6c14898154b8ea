-- SPDX-License-Identifier: Apache-2.0
-- At most so many subjects are changed by the plan of run $1: one with several tasks counts as
-- several. $2 the subject of run-level tasks.
select coalesce(sum(cardinality(subjects)), 0)
from rollcall.plan
where run_no = $1 and not dry_run and subjects <> array[$2]

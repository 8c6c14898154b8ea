-- SPDX-License-Identifier: Apache-2.0
-- The last place of the run $1 that the position $2 has taken, or the partition's earlier
-- positions; and whether a worker of an earlier version has, which takes no notice of places.
select max(place), coalesce(bool_or(place is null), false)
from rollcall.progress
where run_no = $1 and source_no = any($2::int || rollcall.earlier_logs($2::int))

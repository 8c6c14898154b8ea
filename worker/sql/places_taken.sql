-- SPDX-License-Identifier: Apache-2.0
-- The last place of the run $1 that the position $2 has taken, or the partition's earlier positions.
select max(place)
from rollcall.progress
where run_no = $1 and source_no = any($2::int || rollcall.earlier_logs($2::int))

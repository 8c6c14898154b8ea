-- SPDX-License-Identifier: Apache-2.0
select left(run_id::text, 8) as run, pack || '.' || job as job, held_at, planned, reason, run_id
from rollcall.run
where state = 'held for review'
order by run_no

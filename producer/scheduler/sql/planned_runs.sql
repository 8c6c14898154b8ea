-- SPDX-License-Identifier: Apache-2.0
select run_no, run_id, chunks, chunks_published, planned, again, by_task
from rollcall.run
where state = 'planned'
order by run_no
limit 64

-- SPDX-License-Identifier: Apache-2.0
select run_no, run_id
from rollcall.run
where $1 in (job, pack || '.' || job)
order by run_no desc
limit 1

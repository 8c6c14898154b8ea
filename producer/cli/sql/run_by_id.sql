-- SPDX-License-Identifier: Apache-2.0
select run_no, run_id
from rollcall.run
where run_id::text like lower($1) || '%'
order by run_no desc
limit 2

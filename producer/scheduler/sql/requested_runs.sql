-- SPDX-License-Identifier: Apache-2.0
select run_no, run_id, cause = 'manual', requested_at, not_before, clock_timestamp(), pack, job,
        coalesce(deadline_at < clock_timestamp(), false) as late
from rollcall.run
where state = 'requested' and (not_before is null or not_before <= clock_timestamp())
order by run_no
limit 200

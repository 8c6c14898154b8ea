-- SPDX-License-Identifier: Apache-2.0
-- $1 run, $2 ms from now. One that was set before a retry stays.
update rollcall.run
set deadline_at = coalesce(deadline_at, clock_timestamp() + $2 * interval '1 ms')
where run_no = $1 and state = 'requested'

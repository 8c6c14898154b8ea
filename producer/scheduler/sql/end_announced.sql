-- SPDX-License-Identifier: Apache-2.0
update rollcall.run
set notified_at = clock_timestamp()
where run_no = $1
returning run_id, pack, job, state, reason

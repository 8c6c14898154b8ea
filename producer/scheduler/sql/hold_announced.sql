-- SPDX-License-Identifier: Apache-2.0
update rollcall.run
set held_notified_at = clock_timestamp()
where run_no = $1
returning run_id, pack, job, 'held for review', reason

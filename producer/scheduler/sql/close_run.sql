-- SPDX-License-Identifier: Apache-2.0
-- $1 run, $2 state, $3 reason, $4 whether on_failure is for it. No row: it was closed already.
update rollcall.run
set state = $2, reason = $3, alert = $4, closed_at = clock_timestamp()
where run_no = $1 and rollcall.run_is_open(state)

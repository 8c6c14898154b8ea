-- SPDX-License-Identifier: Apache-2.0
-- $1 run, $2 state, $3 reason.
update rollcall.run
set state = $2, reason = $3
where run_no = $1 and state in ('succeeded', 'completed with errors')

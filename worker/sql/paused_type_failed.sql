-- SPDX-License-Identifier: Apache-2.0
-- A try has failed: the type stays paused, for this reason.
update rollcall.paused_type
set reason = $2, sqlstate = $3
where type_no = $1::int and resumed_at is null

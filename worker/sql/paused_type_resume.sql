-- SPDX-License-Identifier: Apache-2.0
update rollcall.paused_type
set resumed_at = clock_timestamp(), resumed_by = 'rollcall'
where type_no = $1::int and resumed_at is null
returning pg_notify('rollcall_run', '')

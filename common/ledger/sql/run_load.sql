-- SPDX-License-Identifier: Apache-2.0
select run_no, run_id, day - date '1970-01-01' as day, scheduled_at, state, dry_run, force, pack,
       job, requested_by, cause, settings, kept_settings, statements,
       (extract(epoch from clock_timestamp() - planned_at) * 1000)::bigint as planned_ms,
       to_regclass('rollcall.outcome_' || to_char(day, 'YYYYMMDD')) is not null as kept
from rollcall.run
where run_id = $1

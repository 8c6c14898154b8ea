-- SPDX-License-Identifier: Apache-2.0
-- Wakes the scheduler, unless the run of that slot exists already.
with new as (
        insert into rollcall.run
               (run_id, pack, job, scheduled_at, day, cause, requested_by, dry_run, not_before)
        values ($1, $2, $3, $4, ($4 at time zone 'UTC')::date, $5, 'scheduler', $6, $7)
        on conflict (run_id) do nothing
        returning 1
)
select pg_notify('rollcall_run', '')
from new

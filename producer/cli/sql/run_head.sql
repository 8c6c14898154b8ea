-- SPDX-License-Identifier: Apache-2.0
select run_id, pack, job, scheduled_at, cause, requested_by, settings, dry_run, state, reason,
       requested_at, planned_at, published_at, closed_at, planned, applied, skipped, failed,
       quarantined, unknown, spawned, done, digest_matches, requested_for, kept_settings,
       statements, expect, population, held_at, released_at, released_by
from rollcall.run_progress p
join (
  select run_no, requested_for, kept_settings, statements, expect, population, held_at, released_at,
         released_by
  from rollcall.run
) more using (run_no)
where run_no = $1::bigint

-- SPDX-License-Identifier: Apache-2.0
select run_no, run_id, pack, job, dry_run, planned, applied, skipped, failed, quarantined, unknown,
        spawned, done, digest_matches,
        round(extract(epoch from clock_timestamp() - planned_at), 3) as seconds
from rollcall.run_progress
where state = 'published'

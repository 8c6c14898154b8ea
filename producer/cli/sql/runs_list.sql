-- SPDX-License-Identifier: Apache-2.0
select p.run_id, p.pack, p.job, p.scheduled_at, p.cause, p.requested_by, p.dry_run, p.state,
       p.reason, p.planned, p.applied, p.skipped, p.failed, p.quarantined, p.unknown,
       p.failed + p.quarantined + p.unknown as errors, p.done, p.requested_at, p.closed_at
from rollcall.run_progress p
join (
  select run_no
  from rollcall.run
  where ($1::text is null or $1 in (job, pack || '.' || job)) and ($2::text is null or state = $2)
  order by run_no desc
  limit $3::bigint
) newest using (run_no)
order by p.run_no desc

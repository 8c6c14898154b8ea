-- SPDX-License-Identifier: Apache-2.0
-- Every registered job with its newest run: no dry run, none that is still to come.
select j.pack, j.job, j.suspended, r.run_id, r.scheduled_at, r.state, r.reason, r.closed_at,
       p.applied, p.skipped, p.failed + p.quarantined + p.unknown as errors,
\ir _suspension.sql
from rollcall.job j
left join lateral (
  select *
  from rollcall.run r
  where r.pack = j.pack and r.job = j.job and not r.dry_run
    and r.scheduled_at <= clock_timestamp()
  order by r.scheduled_at desc
  limit 1
) r on true
left join rollcall.run_progress p on p.run_no = r.run_no
order by 1, 2

-- SPDX-License-Identifier: Apache-2.0
select case when job = '' then 'ad-hoc tasks' else run_id::text end as run,
       case when job = '' then '' else pack || '.' || job end as job, dry_run, applied, skipped,
       failed, quarantined, unknown
from rollcall.run_total
where last_at > clock_timestamp() - $1::int * interval '1 day'
order by job = '' desc, last_at desc, dry_run

-- SPDX-License-Identifier: Apache-2.0
select run_no, run_id, day - date '1970-01-01' as day, scheduled_at, state, dry_run, force, pack,
       job, requested_by, cause, settings, kept_settings, statements,
       (extract(epoch from clock_timestamp() - planned_at) * 1000)::bigint as planned_ms,
       by_task, case when not by_task then (
         select string_agg(distinct t.name, ',')
         from rollcall.plan p join rollcall.task_type t using (type_no)
         where p.run_no = run.run_no and p.partition is not null) end as placed_types,
       to_regclass('rollcall.outcome_' || to_char(day, 'YYYYMMDD')) is not null as kept
from rollcall.run
where run_id = $1

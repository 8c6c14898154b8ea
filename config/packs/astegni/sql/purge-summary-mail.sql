-- "N roles and M accounts deleted", after each run.
run as (
  select b.subject, r.run_no, r.day, r.scheduled_at, r.dry_run
  from batch b
  join rollcall.run r on r.run_id::text = b.subject
), tally as (
  select r.subject, r.scheduled_at, r.dry_run, t.*
  from run r
  cross join lateral rollcall_astegni.purge_tally(r.run_no, r.day) t
), effect as (
  select subject,
         case when dry_run then 'skipped' else 'send' end as outcome,
         case
           when dry_run then 'dry run'
           else roles || ' roles and ' || accounts || ' accounts deleted'
         end as reason,
         :admin_email as to_address, :admin_name as to_name,
         roles, accounts, waiting, failed, subject as run_id,
         to_char(scheduled_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI') as scheduled_at
  from tally
)

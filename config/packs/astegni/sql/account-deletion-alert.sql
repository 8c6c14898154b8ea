-- Only when accounts were deleted.
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
         case when dry_run or accounts = 0 then 'skipped' else 'send' end as outcome,
         case
           when dry_run then 'dry run'
           when accounts = 0 then 'no accounts deleted'
           else accounts || ' accounts deleted'
         end as reason,
         :admin_email as to_address, :admin_name as to_name,
         accounts, subject as run_id,
         to_char(scheduled_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI') as scheduled_at,
         (
           select string_agg('#' || o.subject, ', ' order by o.subject::bigint)
           from (
             select o.subject
             from rollcall.outcome_named o
             where o.run_no = (select run_no from run) and o.day = (select day from run)
               and o.type = 'astegni.purge-account' and o.outcome = 'applied'
             limit 100
           ) o
         ) as deleted,
         accounts > 100 as more
  from tally
)

-- To the administrator: a run failed, or is held for review. subject: the run's id.
run as (
  select b.subject, p.job, p.state, p.reason, p.scheduled_at, p.planned, p.applied, p.skipped,
         p.failed, p.quarantined, p.dry_run
  from batch b
  join rollcall.run_progress p on p.run_id::text = b.subject
), effect as (
  select subject, 'send' as outcome, 'run of ' || job || ' ' || state as reason,
         :admin_email as to_address, :admin_name as to_name,
         job, state, state = 'held for review' as held, reason as why, subject as run_id,
         to_char(scheduled_at at time zone :time_zone, 'DD/MM/YYYY HH24:MI') as scheduled_at,
         planned, applied, skipped, failed, quarantined, dry_run
  from run
)

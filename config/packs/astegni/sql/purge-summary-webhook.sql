-- The same for a chat channel (Slack's incoming webhooks and others that take {"text": …}).
run as (
  select b.subject, r.run_no, r.day, r.dry_run
  from batch b
  join rollcall.run r on r.run_id::text = b.subject
), tally as (
  select r.subject, r.dry_run, t.*
  from run r
  cross join lateral rollcall_astegni.purge_tally(r.run_no, r.day) t
), effect as (
  select subject,
         case when dry_run or not :webhook then 'skipped' else 'send' end as outcome,
         case
           when dry_run then 'dry run'
           when not :webhook then 'the setting webhook is off'
           else roles || ' roles and ' || accounts || ' accounts deleted'
         end as reason,
         json_build_object(
           'text', 'Astegni: ' || roles || ' roles and ' || accounts || ' accounts deleted'
             || case when failed > 0 then ', ' || failed || ' failed' else '' end
             || case when waiting > 0 then ', ' || waiting || ' await approval' else '' end
         )::text as body
  from tally
)

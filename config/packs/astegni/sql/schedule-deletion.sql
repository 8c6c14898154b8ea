-- Schedules the deletion of an account, or of one role, after the grace period. What is due already stays as it is.
person as (
  select u.id, u.roles, u.scheduled_deletion_at as old_due_at
  from batch b
  join users u on u.id = b.subject
  order by u.id
  for update of u
), judged as (
  select b.subject, coalesce(b.role, '') as role, b.reason as why, a.email as requested_by, p.old_due_at,
         :now + b.days * interval '1 day' as due_at,
         case
           when p.id is null then 'user ' || b.subject || ' does not exist'
           when a.id is null then 'requester does not exist'
         end as error,
         case
           when b.role <> '' and not b.role = any (p.roles) then 'user has not the role ' || b.role
           when coalesce(b.role, '') = '' and p.old_due_at <= :now then 'the deletion is due already'
         end as refusal
  from batch b
  left join person p on p.id = b.subject
  left join users a on lower(a.email) = lower(b.by)
), account as (
  update users u set scheduled_deletion_at = j.due_at, is_active = false
  from judged j
  where u.id = j.subject and j.role = '' and j.error is null and j.refusal is null
), profile as (
  select j.subject, rollcall_astegni.schedule_role(:profile_tables, j.subject, j.role, j.due_at, :now) as changed
  from judged j
  where j.role <> '' and j.error is null and j.refusal is null
), done as (
  select j.*, j.error is null and j.refusal is null and coalesce(p.changed, case when j.role = '' then 1 end, 0) > 0 as changed
  from judged j
  left join profile p using (subject)
), noted as (
  insert into rollcall_astegni.deletion_request (user_id, item, due_at, requested_by, reason)
  select subject, role, due_at, requested_by, why from done where changed
  on conflict (user_id, item) do update
  set due_at = excluded.due_at, requested_by = excluded.requested_by, requested_at = now(), reason = excluded.reason
), effect as (
  select subject,
         case when error is not null then 'failed' when changed then 'applied' else 'skipped' end as outcome,
         coalesce(error, refusal, case when changed then why else 'no profile of this role that could be scheduled' end) as reason,
         case when role = '' then coalesce('account goes on ' || to_char(old_due_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI'), 'account stays') else role end
           as before,
         case when changed then case when role = '' then 'account' else role end || ' goes on ' || to_char(due_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI')
         end as after
  from done
)

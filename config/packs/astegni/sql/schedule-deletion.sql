-- Schedules the deletion of an account, or of one role, after the grace period. What is due already
-- stays as it is.
person as (
  select u.id, u.roles, u.is_active, u.scheduled_deletion_at as old_due_at
  from batch b
  join users u on u.id = b.subject
  order by u.id
  for update of u
), judged as (
  select b.subject, coalesce(b.role, '') as role, b.reason as why, b.by as requested_by,
         p.old_due_at, p.is_active,
         :now + b.days * interval '1 day' as due_at,
         case when p.id is null then 'user ' || b.subject || ' does not exist' end as error,
         case
           when b.role <> '' and not b.role = any (p.roles) then 'user has not the role ' || b.role
           when coalesce(b.role, '') = '' and p.old_due_at <= :now
             then 'the deletion is due already'
         end as refusal
  from batch b
  left join person p on p.id = b.subject
), account as (
  update users u set scheduled_deletion_at = j.due_at, is_active = false
  from judged j
  where u.id = j.subject and j.role = '' and j.error is null and j.refusal is null
), profile as (
  select j.subject,
         rollcall_astegni.schedule_role(
           :profile_tables, j.subject, j.role, j.due_at, :now, '{}') as changed
  from judged j
  where j.role <> '' and j.error is null and j.refusal is null
), done as (
  select j.*,
         j.error is null and j.refusal is null
           and coalesce(p.changed, case when j.role = '' then 1 end, 0) > 0 as changed
  from judged j
  left join profile p using (subject)
), noted as (
  -- what a cancellation has to give back: the account's and the profiles' state before the first of
  -- several dates
  insert into rollcall_astegni.deletion_request as r (
    user_id, item, due_at, requested_by, reason, was_active, inactive_profiles)
  select d.subject, d.role, d.due_at, d.requested_by, d.why,
         case when d.old_due_at is null then d.is_active else coalesce(o.was_active, true) end,
         coalesce(o.inactive_profiles, '{}')
           || rollcall_astegni.inactive_profiles(:profile_tables, d.subject, d.role)
  from done d
  left join rollcall_astegni.deletion_request o on o.user_id = d.subject and o.item = d.role
  where d.changed
  on conflict (user_id, item) do update
  set due_at = excluded.due_at, requested_by = excluded.requested_by, requested_at = now(),
      reason = excluded.reason,
      was_active = excluded.was_active, inactive_profiles = excluded.inactive_profiles
), effect as (
  select subject,
         case
           when error is not null then 'failed'
           when changed then 'applied'
           else 'skipped'
         end as outcome,
         coalesce(
           error, refusal,
           case when changed then why else 'no profile of this role that could be scheduled' end
         ) as reason,
         case
           when role = ''
             then coalesce(
               'account goes on '
                 || to_char(old_due_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI'),
               'account stays')
           else role
         end
           as before,
         case
           when changed
             then case when role = '' then 'account' else role end || ' goes on '
               || to_char(due_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI')
         end as after
  from done
)

-- Takes back a scheduled deletion of an account, or of one role, before it is due; of a high-value
-- account also later, as long as nobody has approved it. The account or the profiles are as active
-- as they were before.
person as (
  select u.id, u.scheduled_deletion_at as old_due_at,
         u.high_value
           and not exists (
             select from rollcall_astegni.deletion_approval a
             where a.user_id = u.id and a.due_at = u.scheduled_deletion_at
           ) as unapproved
  from batch b
  join users u on u.id = b.subject
  order by u.id
  for update of u
), judged as (
  select b.subject, coalesce(b.role, '') as role, b.reason as why, p.old_due_at,
         case when p.id is null then 'user ' || b.subject || ' does not exist' end as error,
         case
           when coalesce(b.role, '') <> '' then null
           when p.old_due_at is null then 'no deletion is scheduled'
           when p.old_due_at <= :now and not p.unapproved then 'the deletion is due already'
         end as refusal
  from batch b
  left join person p on p.id = b.subject
), account as (
  update users u set scheduled_deletion_at = null,
         is_active = coalesce(
           (
             select r.was_active
             from rollcall_astegni.deletion_request r
             where r.user_id = u.id and r.item = ''
           ),
           true)
  from judged j
  where u.id = j.subject and j.role = '' and j.error is null and j.refusal is null
), profile as (
  select j.subject,
         rollcall_astegni.schedule_role(
           :profile_tables, j.subject, j.role, null, :now,
           coalesce(
             (
               select r.inactive_profiles
               from rollcall_astegni.deletion_request r
               where r.user_id = j.subject and r.item = j.role
             ),
             '{}')) as changed
  from judged j
  where j.role <> '' and j.error is null
), done as (
  select j.*,
         j.error is null and j.refusal is null
           and coalesce(p.changed, case when j.role = '' then 1 end, 0) > 0 as changed
  from judged j
  left join profile p using (subject)
), forgotten as (
  delete from rollcall_astegni.deletion_request r
  using done d
  where r.user_id = d.subject and r.item = d.role and d.changed
), effect as (
  select subject,
         case
           when error is not null then 'failed'
           when changed then 'applied'
           else 'skipped'
         end as outcome,
         coalesce(
           error, refusal,
           case when changed then why else 'no scheduled profile of this role, or due already' end
         ) as reason,
         case
           when role = ''
             then coalesce(
               'account goes on '
                 || to_char(old_due_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI'),
               'account stays')
           else role || ' scheduled'
         end as before,
         case
           when changed then case when role = '' then 'account' else role end || ' stays'
         end as after
  from done
)

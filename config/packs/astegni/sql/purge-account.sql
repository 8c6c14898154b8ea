-- Deletes the whole user. A high-value account needs an approval for exactly this date; the
-- approval is held while the account goes.
person as (
  select u.id, u.email, u.roles, u.high_value, u.scheduled_deletion_at as due_at
  from batch b
  join users u on u.id = b.subject
  where u.scheduled_deletion_at <= :now
  order by u.id
  for update of u
), approved as (
  select a.user_id, a.due_at
  from batch b
  join rollcall_astegni.deletion_approval a on a.user_id = b.subject
  order by a.user_id, a.due_at
  for share of a
), judged as (
  select p.*,
         not p.high_value
           or exists (
             select from approved a where a.user_id = p.id and a.due_at = p.due_at
           ) as allowed
  from person p
), deleted as (
  delete from users u
  using judged j
  where u.id = j.id and j.allowed
  returning u.id
), logged as (
  insert into deletion_audit_log (deletion_type, user_id, user_email, role_name, automated)
  select 'account', j.id, j.email, null, rollcall_astegni.automated(:run_id)
  from judged j
  join deleted d on d.id = j.id
  order by j.id
), effect as (
  select j.id as subject,
         case when d.id is not null then 'applied' else 'skipped' end as outcome,
         case
           when d.id is null then 'high-value account: needs approval'
           when j.high_value then 'grace period over, approved'
           else 'grace period over'
         end
           as reason,
         case
           when d.id is not null
             then 'account with roles '
               || coalesce(nullif(array_to_string(j.roles, ', '), ''), '(none)')
         end as before,
         case when d.id is not null then '' end as after
  from judged j
  left join deleted d on d.id = j.id
)

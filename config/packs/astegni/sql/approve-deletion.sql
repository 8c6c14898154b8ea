-- Approves the deletion of a high-value account on the scheduled date. The approver is who sent
-- this request, as the engine recorded it: a user of ours, who may approve, and neither the user to
-- be deleted nor who requested the deletion.
person as (
  select u.id, u.email, u.high_value, u.scheduled_deletion_at as due_at
  from batch b
  join users u on u.id = b.subject
  order by u.id
  for update of u
), judged as (
  select b.subject, b.by, b.reason as why, p.due_at,
         case
           when p.id is null then 'user ' || b.subject || ' does not exist'
           when a.id is null
             then 'approver is not known: rollcall_astegni.operator_identity has no user for '
               || b.by
         end as error,
         case
           when not a.is_active then 'approver is not active'
           when :approver_role <> '' and not :approver_role = any (a.roles)
             then 'approver has not the role ' || :approver_role
           when p.due_at is null then 'no deletion is scheduled'
           when not p.high_value then 'not a high-value account: needs no approval'
           when a.id = p.id then 'nobody approves their own deletion'
           when b.by = r.requested_by or lower(a.email) = lower(r.requested_by)
             then 'the requester must not approve'
           when exists (
             select from rollcall_astegni.deletion_approval d
             where d.user_id = p.id and d.due_at = p.due_at
           )
             then 'approved already'
         end as refusal
  from batch b
  left join person p on p.id = b.subject
  left join rollcall_astegni.operator_identity o on o.role_name = b.by
  left join users a on a.id = o.user_id
  left join rollcall_astegni.deletion_request r on r.user_id = p.id and r.item = ''
), approved as (
  insert into rollcall_astegni.deletion_approval (user_id, due_at, approved_by, reason)
  select j.subject, j.due_at, j.by, j.why
  from judged j
  where j.error is null and j.refusal is null
  order by j.subject
), effect as (
  select subject,
         case
           when error is not null then 'failed'
           when refusal is not null then 'skipped'
           else 'applied'
         end as outcome,
         coalesce(error, refusal, why) as reason,
         case
           when due_at is not null
             then 'goes on ' || to_char(due_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI')
         end as before,
         case
           when error is null and refusal is null
             then 'goes on ' || to_char(due_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI')
               || ', approved'
         end
           as after
  from judged
)

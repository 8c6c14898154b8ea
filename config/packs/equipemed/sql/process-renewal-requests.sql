-- Decides a user's oldest pending renewal request, or the one whose number is the task's item.
-- Approved: the requested days count from the expiry, or from now when that is past or there is
-- none.
chosen as (
  select distinct on (b.subject) b.subject, b.item, b.decision, b.notes, b.by, r.id as request_id
  from batch b
  join core_accountrenewalrequest r on r.user_id = b.subject and r.status = 'pending'
    and (b.item = '' or b.item = r.id::text)
  order by b.subject, r.created_at, r.id
), request as (
  select c.*, r.requested_days
  from chosen c
  join core_accountrenewalrequest r on r.id = c.request_id
  where r.status = 'pending'
  order by r.id
  for update of r
), person as (
  select u.id, u.account_status as old_status, u.access_expires_at as old_expires_at,
         greatest(u.access_expires_at, :now) + q.requested_days * interval '1 day' as new_expires_at
  from request q
  join accounts_eqmdcustomuser u on u.id = q.subject
  order by u.id
  for update of u
), judged as (
  select q.*, p.old_status, p.old_expires_at, p.new_expires_at, a.id as admin_id,
         rollcall_equipemed.status_after_extension(
           p.old_status, rollcall_equipemed.days_left(p.new_expires_at, :today, :time_zone),
           :expiring_soon_days) as new_status,
         case when a.id is null then 'administrator ' || q.by || ' does not exist' end as error,
         case
           when a.id = q.subject then 'nobody decides their own request'
           when q.decision = 'approve' and p.old_status = 'departed' then 'departed user'
         end as refusal
  from request q
  join person p on p.id = q.subject
  left join accounts_eqmdcustomuser a on a.username = nullif(q.by, '')
), decided as (
  update core_accountrenewalrequest r
  set status = case j.decision when 'approve' then 'approved' else 'denied' end,
      reviewed_at = now(), reviewed_by_id = j.admin_id,
      review_notes = coalesce(j.notes, '')
  from judged j
  where r.id = j.request_id and j.error is null and j.refusal is null
), changed as (
  update accounts_eqmdcustomuser u
  set access_expires_at = j.new_expires_at, account_status = j.new_status,
      reviewed_by_id = j.admin_id
  from judged j
  where u.id = j.subject and j.decision = 'approve' and j.error is null and j.refusal is null
  returning u.id, u.username, u.access_expires_at, u.account_status, j.request_id, j.admin_id
), history as (
  insert into accounts_historicaleqmdcustomuser (
    history_date, history_change_reason, history_type, history_user_id, id, username,
    account_status, access_expires_at)
  select now(), 'Renewal request ' || request_id || ' approved', '~', admin_id, id, username,
         account_status, access_expires_at
  from changed
), effect as (
  select subject, item,
         case
           when error is not null then 'failed'
           when refusal is not null then 'skipped'
           else 'applied'
         end as outcome,
         coalesce(
           error, refusal, case decision when 'approve' then 'approved' else 'denied' end
         ) as reason,
         rollcall_equipemed.show(old_status, old_expires_at, :time_zone) as before,
         case
           when error is null and refusal is null and decision = 'approve'
             then rollcall_equipemed.show(new_status, new_expires_at, :time_zone)
           when error is null and refusal is null
             then rollcall_equipemed.show(old_status, old_expires_at, :time_zone)
         end as after
  from judged
)

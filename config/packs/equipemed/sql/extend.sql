-- Moves the expiry date by N days, counted from the current expiry, or from now when there is none.
-- A departed user is refused unless forced. `by` is empty in most tasks: an index is not read for a
-- null.
person as (
  select u.id, u.account_status as old_status, u.access_expires_at as old_expires_at,
         coalesce(u.access_expires_at, :now) + b.days * interval '1 day' as new_expires_at
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  order by u.id
  for update of u
), judged as (
  select b.subject, b.reason as why, b.by, a.id as admin_id, p.*,
         case
           when p.id is null then 'user ' || b.subject || ' does not exist'
           when b.by <> b.actor and a.id is null then 'administrator ' || b.by || ' does not exist'
         end as error,
         case
           when p.old_status = 'departed' and not coalesce(b.force, false)
             then 'departed user: force extends all the same'
         end as refusal,
         rollcall_equipemed.status_after_extension(
           p.old_status, rollcall_equipemed.days_left(p.new_expires_at, :today, :time_zone),
           :expiring_soon_days) as new_status
  from batch b
  left join person p on p.id = b.subject
  left join accounts_eqmdcustomuser a on a.username = nullif(b.by, '')
), changed as (
  update accounts_eqmdcustomuser u
  set access_expires_at = j.new_expires_at, account_status = j.new_status,
      reviewed_by_id = coalesce(j.admin_id, u.reviewed_by_id)
  from judged j
  where u.id = j.id and j.error is null and j.refusal is null
  returning u.id, u.username, u.access_expires_at, u.account_status, j.why, j.admin_id
), history as (
  insert into accounts_historicaleqmdcustomuser (
    history_date, history_change_reason, history_type, history_user_id, id, username,
    account_status, access_expires_at)
  select now(), left('Access extended: ' || why, 100), '~', admin_id, id, username, account_status,
         access_expires_at
  from changed
), effect as (
  select subject,
         case
           when error is not null then 'failed'
           when refusal is not null then 'skipped'
           else 'applied'
         end as outcome,
         coalesce(error, refusal, why) as reason,
         rollcall_equipemed.show(old_status, old_expires_at, :time_zone) as before,
         case
           when error is null and refusal is null
             then rollcall_equipemed.show(new_status, new_expires_at, :time_zone)
         end as after
  from judged
)

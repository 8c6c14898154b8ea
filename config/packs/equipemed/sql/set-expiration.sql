-- Sets the expiry N months of 30 days from now, for accounts in use; the status follows with the
-- next check-expiration.
person as (
  select u.id, u.account_status as status, u.access_expires_at as old_expires_at, u.profession_type,
         :now + b.months * interval '30 days' as new_expires_at
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  where u.is_active
  order by u.id
  for update of u
), judged as (
  select b.subject, b.reason as why, a.id as admin_id, p.*,
         case
           when b.by <> b.actor and a.id is null then 'administrator ' || b.by || ' does not exist'
         end as error
  from batch b
  join person p on p.id = b.subject
  left join accounts_eqmdcustomuser a on a.username = nullif(b.by, '')
), changed as (
  update accounts_eqmdcustomuser u
  set access_expires_at = j.new_expires_at,
      expiration_reason = case j.profession_type
        when 1 then 'end_of_internship'
        when 4 then 'end_of_rotation'
        else left(j.why, 50)
      end,
      reviewed_by_id = coalesce(j.admin_id, u.reviewed_by_id)
  from judged j
  where u.id = j.id and j.error is null
  returning u.id, u.username, u.access_expires_at, u.account_status, j.why, j.admin_id
), history as (
  insert into accounts_historicaleqmdcustomuser (
    history_date, history_change_reason, history_type, history_user_id, id, username,
    account_status, access_expires_at)
  select now(), left(why, 100), '~', admin_id, id, username, account_status, access_expires_at
  from changed
), effect as (
  select subject,
         case when error is not null then 'failed' else 'applied' end as outcome,
         coalesce(error, why) as reason,
         rollcall_equipemed.show(status, old_expires_at, :time_zone) as before,
         case
           when error is null then rollcall_equipemed.show(status, new_expires_at, :time_zone)
         end as after
  from judged
)

-- Brings the status in line with the expiry date: calendar dates in the pack's time zone.
person as (
  select u.id, u.account_status as old_status,
         rollcall_equipemed.next_status(
           u.account_status, rollcall_equipemed.days_left(u.access_expires_at, :today, :time_zone),
           :expiring_soon_days, :status_rule) as new_status
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  where u.is_active and u.access_expires_at is not null
    and rollcall_equipemed.in_role(u.profession_type, :role)
    and rollcall_equipemed.next_status(
      u.account_status, rollcall_equipemed.days_left(u.access_expires_at, :today, :time_zone),
      :expiring_soon_days, :status_rule) <> u.account_status
    and not exists (
      select from rollcall_equipemed.emergency_access g
      where g.user_id = u.id and g.ended_at is null
    )
  order by u.id
  for update of u
), changed as (
  update accounts_eqmdcustomuser u
  set account_status = p.new_status
  from person p
  where u.id = p.id
  returning u.id, u.username, u.access_expires_at, p.old_status, p.new_status,
            'Auto-updated by expiration checker: ' || p.old_status || ' -> '
              || p.new_status as reason
), history as (
  insert into accounts_historicaleqmdcustomuser (
    history_date, history_change_reason, history_type, id, username, account_status,
    access_expires_at)
  select now(), reason, '~', id, username, new_status, access_expires_at
  from changed
), effect as (
  select id as subject, 'applied' as outcome, reason, old_status as before, new_status as after
  from changed
)

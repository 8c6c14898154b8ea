-- Active users without meaningful activity.
person as (
  select u.id
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  where rollcall_equipemed.to_mark_inactive(
    u.is_active, u.account_status, u.last_meaningful_activity, u.date_joined, u.profession_type,
    :now, :inactivity_days, :never_inactivate)
    and not exists (
      select from rollcall_equipemed.emergency_access g
      where g.user_id = u.id and g.ended_at is null
    )
  order by u.id
  for update of u
), changed as (
  update accounts_eqmdcustomuser u
  set account_status = 'inactive'
  from person p
  where u.id = p.id
  returning u.id, u.username, u.access_expires_at,
            'Auto-marked inactive: no activity for ' || :inactivity_days || ' days' as reason
), history as (
  insert into accounts_historicaleqmdcustomuser (
    history_date, history_change_reason, history_type, id, username, account_status,
    access_expires_at)
  select now(), reason, '~', id, username, 'inactive', access_expires_at
  from changed
), effect as (
  select id as subject, 'applied' as outcome, reason, 'active' as before, 'inactive' as after
  from changed
)

-- To the administrators: who got emergency access, by whom, until when.
latest as (
  select distinct on (e.user_id) e.*, u.username, u.first_name, u.last_name,
         a.username as admin_username
  from batch b
  join rollcall_equipemed.emergency_access e on e.user_id = b.subject
  join accounts_eqmdcustomuser u on u.id = e.user_id
  left join accounts_eqmdcustomuser a on a.id = e.granted_by
  order by e.user_id, e.id desc
), effect as (
  select user_id as subject, 'send' as outcome, 'emergency access' as reason,
         :admin_email as to_address, :admin_name as to_name,
         username, rollcall_equipemed.full_name(first_name, last_name, username) as full_name,
         coalesce(admin_username, '#' || granted_by) as granted_by,
         reason as why,
         to_char(until at time zone :time_zone, 'DD/MM/YYYY HH24:MI') as until,
         previous_status
  from latest
)

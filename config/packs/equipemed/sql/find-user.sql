-- By user name, or by number as "#12".
select u.id as subject, u.username,
       rollcall_equipemed.full_name(u.first_name, u.last_name, u.username) as full_name,
       rollcall_equipemed.profession_name(u.profession_type) as profession,
       coalesce(
         to_char(u.access_expires_at at time zone :time_zone, 'DD/MM/YYYY HH24:MI'), 'never expires'
       ) as current_expiration,
       u.account_status as current_status,
       u.is_active as may_log_in
from accounts_eqmdcustomuser u
where u.username = :subject or '#' || u.id = :subject
order by u.username <> :subject, u.id
limit 20

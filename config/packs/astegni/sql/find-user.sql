-- By e-mail address, or by number as "#12".
select u.id as subject, u.email, u.first_name, array_to_string(u.roles, ', ') as roles,
       u.is_active as active, u.high_value,
       coalesce(
         to_char(u.scheduled_deletion_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI'),
         'not scheduled') as account_goes_on,
       coalesce(
         (
           select string_agg(
             s.role || ' ' || to_char(s.due_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI'), ', '
             order by s.due_at)
           from rollcall_astegni.scheduled_roles(:profile_tables, 'infinity') s
           where s.user_id = u.id
         ),
         'none') as roles_that_go
from users u
-- more than one: the tool refuses and shows them
where lower(u.email) = lower(:subject) or '#' || u.id = :subject
order by u.id
limit 20

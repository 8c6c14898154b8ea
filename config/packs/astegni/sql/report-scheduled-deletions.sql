-- What is going to be deleted, and when; what has been due and is still there stands first.
with account as (
  select u.id, u.scheduled_deletion_at as due_at, u.high_value,
         array_to_string(u.roles, ', ') as roles,
         exists (
           select from rollcall_astegni.deletion_approval a
           where a.user_id = u.id and a.due_at = u.scheduled_deletion_at
         ) as approved
  from users u
  where u.scheduled_deletion_at <= :now + :days_ahead * interval '1 day'
), role as (
  select s.user_id, s.role, s.due_at
  from rollcall_astegni.scheduled_roles(:profile_tables, :now + :days_ahead * interval '1 day') s
), cut as (
  select string_agg(
    list || ': ' || to_char(:max_rows, 'FM999,999,999,999') || ' of '
      || to_char(n, 'FM999,999,999,999') || ' shown',
    '; '
    order by list) as said
  from (
    select 'accounts' as list, count(*) as n
    from account
    union all
    select 'roles', count(*)
    from role
  ) l
  where n > :max_rows
)
select json_build_object(
  'generated_at', to_char(:now at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'days_ahead', :days_ahead,
  'summary', json_build_object(
    'accounts', (select count(*) from account),
    'accounts_due', (select count(*) from account where due_at <= :now),
    'accounts_that_await_approval', (
      select count(*) from account where high_value and not approved
    ),
    'roles', (select count(*) from role),
    'roles_due', (select count(*) from role where due_at <= :now)),
  'accounts', (select coalesce(json_agg(json_build_object(
      'user_id', id, 'goes_on', to_char(due_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI'),
      'days_left', case
        when isfinite(due_at) then (due_at at time zone :time_zone)::date - :today
      end,
      'roles', roles, 'high_value', high_value, 'approved', approved)
      order by due_at, id), '[]')
    from (select * from account order by due_at, id limit :max_rows) a),
  'roles', (select coalesce(json_agg(json_build_object(
      'user_id', user_id, 'role', role,
      'goes_on', to_char(due_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI'),
      'days_left', case
        when isfinite(due_at) then (due_at at time zone :time_zone)::date - :today
      end)
      order by due_at, user_id, role), '[]')
    from (select * from role order by due_at, user_id, role limit :max_rows) r),
  'lists', (select coalesce(said, 'complete') from cut)) as document

-- What a run of check-expiration did: newly expired with the date, expiring soon with the days
-- left, other changes, errors. The run is the parameter, or the run that this report closes, or the
-- newest real one. The date is the one that stood when the change was made.
with run as (
  select r.run_no, r.run_id, r.day, r.scheduled_at, r.dry_run
  from rollcall.run r
  where r.run_id = coalesce(
    :run, :run_id,
    (
      select l.run_id
      from rollcall.run l
      where l.pack = 'equipemed' and l.job = 'check-expiration'
        and l.state in ('published', 'succeeded', 'completed with errors') and not l.dry_run
      order by l.scheduled_at desc
      limit 1
    ))
), done as (
  select o.subject, o.outcome, o.reason, o.before, o.after, o.at
  from rollcall.outcome_named o
  where o.run_no = (select run_no from run) and o.day = (select day from run)
    and o.type in ('equipemed.check-expiration', 'equipemed.update-user-statuses')
), tally as (
  select count(*) filter (where outcome = 'applied') as changed,
         count(*) filter (where outcome = 'applied' and after = 'expired') as expired,
         count(*) filter (where outcome = 'applied' and after = 'expiring_soon') as soon,
         count(*) filter (where outcome = 'skipped') as skipped,
         count(*) filter (where outcome in ('failed', 'quarantined')) as errors
  from done
), ranked as (
  select *,
         case
           when outcome <> 'applied' then 'error'
           when after in ('expired', 'expiring_soon') then after
           else 'other'
         end as kind,
         row_number() over (
           partition by case
             when outcome <> 'applied' then 'error'
             when after in ('expired', 'expiring_soon') then after
             else 'other'
           end
           order by subject::bigint) as place
  from done
  where outcome in ('applied', 'failed', 'quarantined')
), person as (
  select k.kind, k.place, k.reason, k.before, k.after,
         coalesce(u.username, '#' || k.subject) as username,
         rollcall_equipemed.profession_name(u.profession_type) as profession,
         (
           coalesce(h.access_expires_at, u.access_expires_at) at time zone :time_zone
         )::date as expires_on,
         rollcall_equipemed.days_left(
           coalesce(h.access_expires_at, u.access_expires_at),
           ((select scheduled_at from run) at time zone :time_zone)::date, :time_zone) as days
  from ranked k
  left join accounts_eqmdcustomuser u on u.id = k.subject::bigint
  left join lateral (
    select h.access_expires_at
    from accounts_historicaleqmdcustomuser h
    where h.id = k.subject::bigint and h.history_date <= k.at and k.outcome = 'applied'
    order by h.history_date desc
    limit 1
  ) h on true
  where k.place <= :max_rows
), cut as (
  select string_agg(
    list || ': ' || to_char(:max_rows, 'FM999,999,999,999') || ' of '
      || to_char(n, 'FM999,999,999,999') || ' shown',
    '; '
    order by place) as said
  from tally t,
    lateral (
      values (1, 'newly_expired', t.expired), (2, 'expiring_soon', t.soon),
        (3, 'status_updates', t.changed - t.expired - t.soon), (4, 'errors', t.errors)
    ) as l (place, list, n)
  where n > :max_rows
)
select json_build_object(
  'run_id', (select run_id from run),
  'scheduled_at', (select rollcall_equipemed.iso(scheduled_at, :time_zone) from run),
  'dry_run', (select dry_run from run),
  'summary', json_build_object(
    'changed', t.changed, 'newly_expired', t.expired, 'expiring_soon', t.soon,
    'other_changes', t.changed - t.expired - t.soon, 'skipped', t.skipped, 'errors', t.errors),
  'newly_expired', (
    select coalesce(
      json_agg(
        json_build_object(
          'username', username, 'profession', profession,
          'expired', to_char(expires_on, 'DD/MM/YYYY'))
        order by place),
      '[]')
    from person
    where kind = 'expired'
  ),
  'expiring_soon', (
    select coalesce(
      json_agg(
        json_build_object('username', username, 'profession', profession, 'days_left', days)
        order by place),
      '[]')
    from person
    where kind = 'expiring_soon'
  ),
  'status_updates', (
    select coalesce(
      json_agg(
        json_build_object(
          'username', username, 'profession', profession, 'from', before, 'to', after)
        order by place),
      '[]')
    from person
    where kind = 'other'
  ),
  'errors', (
    select coalesce(
      json_agg(
        json_build_object('username', username, 'profession', profession, 'error', reason)
        order by place),
      '[]')
    from person
    where kind = 'error'
  ),
  'lists', (select coalesce(said, 'complete') from cut)) as document
from tally t

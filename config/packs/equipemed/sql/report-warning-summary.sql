-- What a run of send-expiration-warnings sent, per threshold, and what it could not send.
with run as (
  select r.run_no, r.run_id, r.day, r.scheduled_at, r.dry_run
  from rollcall.run r
  where r.run_id = coalesce(
    :run, :run_id,
    (
      select l.run_id
      from rollcall.run l
      where l.pack = 'equipemed' and l.job = 'send-expiration-warnings'
        and l.state in ('published', 'succeeded', 'completed with errors') and not l.dry_run
      order by l.scheduled_at desc
      limit 1
    ))
), done as (
  select o.type, o.subject, o.item, o.outcome, o.reason
  from rollcall.outcome_named o
  where o.run_no = (select run_no from run) and o.day = (select day from run)
    and o.type in ('equipemed.warn-expiration', 'equipemed.warn-supervisor')
), error as (
  select d.type, d.subject, d.outcome, d.reason,
         row_number() over (order by d.subject::bigint, d.type) as place
  from done d
  where d.outcome in ('failed', 'quarantined', 'unknown')
)
select json_build_object(
  'run_id', (select run_id from run),
  'scheduled_at', (select rollcall_equipemed.iso(scheduled_at, :time_zone) from run),
  'dry_run', (select dry_run from run),
  'summary', (select json_build_object(
      'users_warned', count(*) filter (
        where type = 'equipemed.warn-expiration' and outcome = 'applied'),
      'supervisors_told', count(*) filter (
        where type = 'equipemed.warn-supervisor' and outcome = 'applied'),
      'skipped', count(*) filter (where outcome = 'skipped'),
      'errors', count(*) filter (where outcome in ('failed', 'quarantined', 'unknown'))) from done),
  'by_threshold', (
    select coalesce(
      json_agg(json_build_object('days', threshold, 'warned', n) order by threshold desc), '[]')
    from (
      select split_part(item, '/', 2)::integer as threshold, count(*) as n
      from done
      where type = 'equipemed.warn-expiration' and outcome = 'applied'
      group by 1
    ) t
  ),
  'errors', (
    select coalesce(
      json_agg(
        json_build_object(
          'username', coalesce(u.username, '#' || e.subject), 'mail', e.type, 'outcome', e.outcome,
          'error', e.reason)
        order by e.place),
      '[]')
    from error e
    left join accounts_eqmdcustomuser u on u.id = e.subject::bigint
    where e.place <= :max_rows
  ),
  'lists', (
    select case
      when count(*) > :max_rows
        then 'errors: ' || to_char(:max_rows, 'FM999,999,999,999') || ' of '
          || to_char(count(*), 'FM999,999,999,999') || ' shown'
      else 'complete'
    end
    from error
  )) as document

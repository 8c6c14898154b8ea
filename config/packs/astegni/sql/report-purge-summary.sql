-- What a run deleted, by role, what waits for approval, and the errors. The run is the parameter,
-- or the run that this report closes, or the newest.
with run as (
  select r.run_no, r.run_id, r.day, r.scheduled_at, r.dry_run
  from rollcall.run r
  where r.run_id = coalesce(
    :run, :run_id,
    (
      select l.run_id
      from rollcall.run l
      where l.pack = 'astegni' and l.job = 'purge-expired'
        and l.state in ('published', 'succeeded', 'completed with errors') and not l.dry_run
      order by l.scheduled_at desc
      limit 1
    ))
), done as (
  select o.type, o.subject, o.item, o.outcome, o.reason
  from rollcall.outcome_named o
  where o.run_no = (select run_no from run) and o.day = (select day from run)
    and o.type in ('astegni.purge-role', 'astegni.purge-account')
), cut as (
  select string_agg(
    list || ': ' || to_char(:max_rows, 'FM999,999,999,999') || ' of '
      || to_char(n, 'FM999,999,999,999') || ' shown',
    '; '
    order by list) as said
  from (
    select case when outcome = 'skipped' then 'await_approval' else 'errors' end as list,
           count(*) as n
    from done
    where outcome in ('failed', 'quarantined')
      or (type = 'astegni.purge-account' and outcome = 'skipped' and reason like 'high-value%')
    group by 1
  ) l
  where n > :max_rows
)
select json_build_object(
  'run_id', (select run_id from run),
  'scheduled_at', (
    select to_char(scheduled_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI') from run
  ),
  'dry_run', (select dry_run from run),
  'summary', (select json_build_object(
      'roles_deleted', count(*) filter (where type = 'astegni.purge-role' and outcome = 'applied'),
      'accounts_deleted', count(*) filter (
        where type = 'astegni.purge-account' and outcome = 'applied'),
      'await_approval', count(*) filter (
        where type = 'astegni.purge-account' and outcome = 'skipped' and reason like 'high-value%'),
      'errors', count(*) filter (where outcome in ('failed', 'quarantined'))) from done),
  'by_role', (
    select coalesce(json_agg(json_build_object('role', item, 'deleted', n) order by item), '[]')
    from (
      select item, count(*) as n
      from done
      where type = 'astegni.purge-role' and outcome = 'applied'
      group by item
    ) r
  ),
  'await_approval', (
    select coalesce(
      json_agg(json_build_object('user_id', subject::bigint) order by subject::bigint), '[]')
    from (
      select subject
      from done
      where type = 'astegni.purge-account' and outcome = 'skipped' and reason like 'high-value%'
      order by subject::bigint
      limit :max_rows
    ) w
  ),
  'errors', (
    select coalesce(
      json_agg(
        json_build_object('user_id', subject::bigint, 'role', item, 'error', reason)
        order by subject::bigint, item),
      '[]')
    from (
      select *
      from done
      where outcome in ('failed', 'quarantined')
      order by subject::bigint, item
      limit :max_rows
    ) e
  ),
  'lists', (select coalesce(said, 'complete') from cut)) as document

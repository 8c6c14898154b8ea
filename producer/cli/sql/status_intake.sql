-- SPDX-License-Identifier: Apache-2.0
-- Per service of $1, with its intake topic of $2, in this order: its tasks without an outcome, and
-- what was refused within a day (of the last 10,000 dead letters of each partition).
with unsettled as (
  select actor, n_tasks
  from rollcall.request
  where kind = 'tasks' and settled_at is null and published_at is not null and origin = 'service'
  union all
  select actor, n_tasks
  from rollcall.request
  where kind = 'tasks' and published_at is null and origin = 'service'
)
select u.service,
       (select coalesce(sum(n_tasks), 0) from unsettled where actor = u.service)::bigint as open,
       coalesce(sum(d.refused), 0)::bigint as refused_last_day, max(d.last_at) as last_refused_at
from unnest($1::text[], $2::text[]) with ordinality as u(service, topic, n)
left join rollcall.position p on p.topic = u.topic
left join lateral (
  select count(*) as refused, max(at) as last_at
  from (
    select at
    from rollcall.dead_letter
    where source_no = p.source_no
    order by src_offset desc
    limit 10000
  ) l
  where at > clock_timestamp() - interval '1 day'
) d on true
group by u.n, u.service
order by u.n

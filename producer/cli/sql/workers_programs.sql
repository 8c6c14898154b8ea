-- SPDX-License-Identifier: Apache-2.0
select program, host, pid, version, coalesce(string_agg(distinct lane, ', '), '') as lanes,
       coalesce(sum(cardinality(partitions)), 0)::bigint as partitions,
       min(started_at) as started_at, max(seen_at) as seen_at,
       extract(epoch from clock_timestamp() - max(seen_at))::bigint as seen_seconds_ago,
       case
         when not bool_or(alive) then 'gone'
         when bool_or(leads) then 'leading'
         when not bool_and(alive) then 'partly gone'
         else 'alive'
       end as state,
       max(refused_reload) as refused_reload, max(refused_at) as refused_at
from rollcall.process_now
group by program, host, pid, version
order by program, host, pid

-- SPDX-License-Identifier: Apache-2.0
-- The source partitions of the given topics that have outcomes which were not aggregated yet for a
-- results partition: their source numbers, the last sequence aggregated, the last one issued.
select p.topic, p.partition, array_agg(p.source_no), coalesce(max(f.sequence), 0), max(p.sequence)
from rollcall.position p
left join rollcall.folded f
       on f.results_no = $1::int4
      and f.source_topic = p.topic
      and f.source_partition = p.partition
where p.topic = any($2::text[])
group by 1, 2
having max(p.sequence) > coalesce(max(f.sequence), 0)
order by 1, 2

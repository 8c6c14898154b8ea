-- SPDX-License-Identifier: Apache-2.0
-- A row for each lane that no worker serves, and partition of its topic that has a position.
-- $1 lanes, $2 their topics, $3 the present cluster.
select l.lane, l.topic, p.partition, p.next
from unnest($1::text[], $2::text[]) as l(lane, topic)
left join rollcall.position p on p.cluster = $3 and p.topic = l.topic
where not rollcall.lane_is_served(l.lane)
order by 1, 2, 3

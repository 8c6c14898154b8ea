-- SPDX-License-Identifier: Apache-2.0
-- Makes this aggregator the owner of the results partitions and reads their positions. Rows are
-- claimed in the order of their keys, so that two aggregators wait for each other instead of
-- deadlocking.
select c.source_no, u.topic, u.partition, c.epoch, c.next, c.sequence, c.published, c.mark,
       rollcall.inherit_folded(c.source_no, c.switched)
from (select *
      from unnest($3::text[], $4::int4[]) as u(topic, partition)
      order by 1, 2) u
cross join lateral rollcall.claim($1::text, u.topic, u.partition, $2::text) c

-- SPDX-License-Identifier: Apache-2.0
-- The last sequence that was aggregated of each source partition, for the results partitions given.
select results_no, source_topic, source_partition, sequence
from rollcall.folded f
where results_no = any($1::int4[])
  and exists (select
              from rollcall.position p
              where p.topic = f.source_topic and p.partition = f.source_partition)

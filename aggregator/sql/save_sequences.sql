-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.folded (results_no, source_topic, source_partition, sequence)
select *
from unnest($1::int4[], $2::text[], $3::int4[], $4::int8[])
order by 1, 2, 3
on conflict (results_no, source_topic, source_partition) do update
set sequence = excluded.sequence

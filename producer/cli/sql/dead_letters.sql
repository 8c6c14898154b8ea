-- SPDX-License-Identifier: Apache-2.0
select d.at, p.topic, p.partition, d.src_offset, coalesce(length(d.value), 0), d.reason
from rollcall.dead_letter d
join rollcall.position p using (source_no)
order by d.at desc, d.src_offset desc
limit $1::bigint

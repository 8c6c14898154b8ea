-- SPDX-License-Identifier: Apache-2.0
-- With the original key and value.
select d.at, p.cluster, p.topic, p.partition, d.src_offset as offset, d.reason,
       encode(d.key, 'base64') as key, encode(d.value, 'base64') as value
from rollcall.dead_letter d
join rollcall.position p using (source_no)
order by d.at desc, d.src_offset desc
limit $1::bigint

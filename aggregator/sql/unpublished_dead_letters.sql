-- SPDX-License-Identifier: Apache-2.0
-- The next dead letters of a partition that are not in their topic yet: about a megabyte of them.
select src_offset, sequence, reason, key, value
from (select *,
             sum(coalesce(length(key), 0) + coalesce(length(value), 0)) over (
               order by src_offset
               rows between unbounded preceding and 1 preceding) as before
      from (select *
            from rollcall.dead_letter
            where source_no = $1::int4
              and src_offset > $2::int8
              and sequence > $3::int8
            order by src_offset
            limit 200) few) d
where before is null or before < 1000000
order by src_offset

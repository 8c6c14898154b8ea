-- SPDX-License-Identifier: Apache-2.0
-- The run's first chunk from $4 on that belongs to a partition of a lane.
select array[p.chunk::text, t.name], p.subjects, p.items
from rollcall.plan p
join rollcall.task_type t using (type_no)
where p.run_no = $1 and p.lane = $2 and p.partition = $3::int and p.chunk >= $4::int
order by p.chunk
limit 1

-- SPDX-License-Identifier: Apache-2.0
-- The places of tasks that did not come in their turn. $1 run, $2 type, $3 subjects, $4 items.
select s.n, s.chunk, s.index, s.lane, s.partition
from rollcall.task_type t
cross join lateral rollcall.places($1, t.type_no, $3::text[], $4::text[]) s
where t.name = $2

-- SPDX-License-Identifier: Apache-2.0
-- Millions of rows are counted before anything in them gets a name.
select t.name as type, rollcall.outcome_name(g.outcome) as outcome, g.reason, g.count
from (
  select type_no, outcome, reason, count(*) as count
  from rollcall.outcome
  where run_no = $1::bigint and day = (select day from rollcall.run where run_no = $1::bigint)
  group by 1, 2, 3
) g
join rollcall.task_type t using (type_no)
order by 1, 4 desc, 2, 3
limit $2::bigint

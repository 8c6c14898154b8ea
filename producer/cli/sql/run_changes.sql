-- SPDX-License-Identifier: Apache-2.0
select t.name as type, o.subject, o.item, o.before, o.after, o.reason
from rollcall.outcomes_of_run($1::bigint, '{0}') o
join rollcall.task_type t using (type_no)
order by 1, 2, 3
limit $2::bigint

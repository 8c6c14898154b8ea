-- SPDX-License-Identifier: Apache-2.0
select t.name as type, case when z.since is null then 'active' else 'paused' end as state, z.since,
       z.sqlstate, z.next_try_at, z.tries, z.reason, z.by_whom
from rollcall.task_type t
left join rollcall.paused_type_named z using (type_no)
order by t.name

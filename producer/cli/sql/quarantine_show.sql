-- SPDX-License-Identifier: Apache-2.0
select task_id, state, type, subject, item, run_id, job, attempts, tries, since, updated_at, due_at,
       requested_by, topic, partition, src_offset, reason
from rollcall.held_named
where task_id::text like $1 || '%'
order by held_no
limit 2

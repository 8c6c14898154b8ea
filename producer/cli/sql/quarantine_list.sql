-- SPDX-License-Identifier: Apache-2.0
select h.task_id, h.state, h.type, h.subject, h.item, h.attempts, h.since, h.due_at, h.reason,
       h.run_id, h.job, h.topic, h.partition, h.src_offset
from
\ir _held_chosen.sql
as h
where $7::text is null or h.state = any(string_to_array($7, ','))
order by h.held_no
limit $8::bigint

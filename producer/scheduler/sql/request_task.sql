-- SPDX-License-Identifier: Apache-2.0
-- A request of Rollcall's own: $1 actor, $2 the run, $3 type, $4 task id, $5 instant.
insert into rollcall.request
        (kind, actor, origin, about, type_no, task_ids, subjects, requested_at)
values ('tasks', $1, 'rollcall', $2, $3, array[$4::uuid], array[$2], $5)

-- SPDX-License-Identifier: Apache-2.0
-- $1 requests that are in work, $2 types of lanes that take no more, $3 large ones, $4 how many.
select r.request_no, r.type_no, t.name, r.dry_run, r.actor, r.requested_at
from rollcall.request r
join rollcall.task_type t using (type_no)
where r.published_at is null and r.kind = 'tasks' and r.request_no <> all($1)
        and r.type_no <> all($2) and r.large = $3
order by r.request_no
limit $4

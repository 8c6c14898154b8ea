-- SPDX-License-Identifier: Apache-2.0
update bench.person
set status = 'expired'
where id = $1::bigint and status = 'active' and expires_at < now();
insert into bench.audit (person_id, action, old_status, new_status, actor)
values ($1::bigint, 'expire', 'active', 'expired', 'loop')

-- SPDX-License-Identifier: Apache-2.0
with changed as (
  update bench.person set status = 'expired'
  where id = any ($1::bigint[]) and status = 'active' and expires_at < now()
  returning id
)
insert into bench.audit (person_id, action, old_status, new_status, actor)
select id, 'expire', 'active', 'expired', 'batch job'
from changed

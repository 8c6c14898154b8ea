-- SPDX-License-Identifier: Apache-2.0
-- An open run's types, planned or as follow-ups, of which no task is done now.
select z.type, z.since, z.reason
from rollcall.paused_type_named z
join rollcall.run_progress r on rollcall.run_is_open(r.state)
where r.run_no = $1::bigint
  and (exists (select from rollcall.plan p where p.run_no = r.run_no and p.type_no = z.type_no)
       or (r.spawned > 0 and z.type like r.pack || '.%'))
order by z.type

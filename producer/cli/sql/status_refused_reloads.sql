-- SPDX-License-Identifier: Apache-2.0
select distinct on (program, host, pid) program || ' ' || host || '/' || pid as program, refused_at,
       refused_reload as reason
from rollcall.process_now
where alive and refused_reload is not null
order by program, host, pid, refused_at desc

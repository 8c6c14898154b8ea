-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.recount (run_no)
select distinct r.run_no
from unnest($1::bigint[]) as u(run_no)
join rollcall.run r using (run_no)
order by 1
on conflict do nothing
returning pg_notify('rollcall_run', '')

-- SPDX-License-Identifier: Apache-2.0
select left(run_id::text, 8) as run, pack || '.' || job as job, state, done, planned,
       case when planned > 0 then done * 100 / planned else 0 end as percent
from rollcall.run_progress
where rollcall.run_is_open(state)
order by run_no

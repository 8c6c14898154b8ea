-- SPDX-License-Identifier: Apache-2.0
-- $1 run, $2 chunks whose tasks are all acknowledged, $3 the same as the table has it: somebody may
-- have set the run back meanwhile.
update rollcall.run
set chunks_published = $2,
        state = case when chunks = $2 then 'published' else state end,
        published_at = case when chunks = $2 then clock_timestamp() end
where run_no = $1 and state = 'planned' and chunks_published = $3

-- SPDX-License-Identifier: Apache-2.0
-- $1, $2: see _is_lost.sql. A run that is not kept by task was planned after keep_lost.sql: nothing
-- of it is lost. Returns also the cluster that the run was on: the outer select sees what was
-- before the update.
with again as (
        update rollcall.run r
        set cluster = $1, again = true, chunks_published = 0, state = 'planned', published_at = null
        where r.by_task and
        \ir _is_lost.sql
        returning r.run_no, r.run_id, r.pack, r.job
)
select a.*, r.cluster
from again a join rollcall.run r using (run_no)

-- SPDX-License-Identifier: Apache-2.0
-- Open runs that have planned tasks of the types $1. One that is not kept by task was planned after
-- keep_resumed.sql: nothing of it was passed over.
update rollcall.run r
set again = true, chunks_published = 0, state = 'planned', published_at = null
where r.by_task and r.state in ('planned', 'published')
        and exists (
                select from rollcall.plan p
                where p.run_no = r.run_no and p.type_no = any($1::int[])
        )
returning r.run_no, r.run_id, r.pack, r.job

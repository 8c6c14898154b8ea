-- SPDX-License-Identifier: Apache-2.0
-- Whether the lane has parked tasks, and whether any of ours is due.
select exists (select from rollcall.held where topic = $1 and state <> 'record'),
        exists (
                select from rollcall.held h
                where h.source_no = any($2::int[]) and h.due_at <= now()
                        and (h.state = 'drop' or not
\ir _paused.sql
                        ))

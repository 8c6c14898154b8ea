-- SPDX-License-Identifier: Apache-2.0
-- The first of a subject whose predecessor is gone is due; and those that are blocked by one that
-- is quarantined now: they are to be counted with it.
update rollcall.held h
set due_at = now()
from (
        select distinct on (f.subject) f.held_no, f.subject, f.state
        from rollcall.held f
        where f.topic = $1 and f.subject = any($2::text[]) and
\ir _blocks.sql
        order by f.subject, f.held_no
) f
where h.topic = $1 and h.subject = f.subject and h.due_at is null
        and (h.held_no = f.held_no and h.state in ('waiting', 'behind')
                or f.state = 'quarantined' and h.state = 'waiting')

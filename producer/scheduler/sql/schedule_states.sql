-- SPDX-License-Identifier: Apache-2.0
-- What each job's schedule has been decided up to, and whether an open run blocks it;
-- held_open is null when none is open, else whether one of them is held for review.
select j.pack, j.job, j.suspended, j.considered_at,
        (select bool_or(r.state = 'held for review')
        from rollcall.run r
        where r.pack = j.pack and r.job = j.job and not r.dry_run
        and rollcall.run_is_open(r.state)) as held_open,
        clock_timestamp()
from rollcall.job j

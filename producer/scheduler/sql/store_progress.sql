-- SPDX-License-Identifier: Apache-2.0
-- How far open runs have come, and since when: rollcall.troubles finds those that stand still.
update rollcall.run r
set progress_mark = p.done + r.chunks_published, progress_at = clock_timestamp()
from rollcall.run_progress p
where p.run_no = r.run_no and rollcall.run_is_open(r.state)
        and r.progress_mark is distinct from p.done + r.chunks_published

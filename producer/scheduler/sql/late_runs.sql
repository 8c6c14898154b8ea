-- SPDX-License-Identifier: Apache-2.0
select run_no, run_id, pack, job
from rollcall.run
where state in ('planned', 'published') and deadline_at < clock_timestamp()

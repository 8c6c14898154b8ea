-- SPDX-License-Identifier: Apache-2.0
select run_no, run_id, pack, job, state, planned, done, failed, quarantined, unknown,
        digest_matches
from rollcall.run_progress
join rollcall.recount using (run_no)
order by run_no
limit 32

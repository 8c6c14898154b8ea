-- SPDX-License-Identifier: Apache-2.0
-- The other runs of a job that have a plan and are open: $1 pack, $2 job, $3 the run.
select run_no, run_id
from rollcall.run
where pack = $1 and job = $2 and run_no <> $3 and not dry_run and
\ir _is_started.sql

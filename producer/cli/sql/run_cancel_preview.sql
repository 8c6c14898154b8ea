-- SPDX-License-Identifier: Apache-2.0
select state, pack || '.' || job, done, planned
from rollcall.run_progress
where run_id = $1::uuid

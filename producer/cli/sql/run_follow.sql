-- SPDX-License-Identifier: Apache-2.0
select state, planned, done, applied, skipped, failed + quarantined + unknown, reason
from rollcall.run_progress
where run_id = $1::uuid

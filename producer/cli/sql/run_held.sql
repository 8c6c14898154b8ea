-- SPDX-License-Identifier: Apache-2.0
select state, reason, pack || '.' || job, held_at, population
from rollcall.run
where run_no = $1::bigint

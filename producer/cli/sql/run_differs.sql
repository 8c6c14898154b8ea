-- SPDX-License-Identifier: Apache-2.0
select dry_run, dry_run <> $2::boolean, settings <> $3::jsonb
from rollcall.run
where run_id = $1::uuid

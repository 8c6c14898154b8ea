select state, pack || '.' || job, done, planned
from rollcall.run_progress
where run_id = $1::uuid

-- SPDX-License-Identifier: Apache-2.0
-- $1 run, $2 chunks, $3 tasks, $4 and $5 digest, $6 why it is held for review or '', $7 population,
-- $8 settings, $9 statements, $10 whether a chunk has no partition. No row: it was cancelled
-- meanwhile.
update rollcall.run
set state = case $6 when '' then 'planned' else 'held for review' end,
        reason = $6,
        planned_at = clock_timestamp(),
        held_at = case when $6 <> '' then clock_timestamp() end,
        chunks = $2,
        planned = $3,
        planned_digest_a = $4,
        planned_digest_b = $5,
        population = $7,
        kept_settings = $8::jsonb,
        statements = $9::jsonb,
        by_task = $10
where run_no = $1 and state = 'requested'
returning pg_notify('rollcall_run', '')

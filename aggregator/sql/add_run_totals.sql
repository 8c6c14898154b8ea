-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.run_total as t
  (run_id, pack, job, dry_run, applied, skipped, failed, quarantined, unknown, first_at, last_at)
select *
from unnest($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::int8[], $6::int8[], $7::int8[],
            $8::int8[], $9::int8[], $10::timestamptz[], $11::timestamptz[])
order by 1, 4
on conflict (run_id, dry_run) do update
set applied = t.applied + excluded.applied,
    skipped = t.skipped + excluded.skipped,
    failed = t.failed + excluded.failed,
    quarantined = t.quarantined + excluded.quarantined,
    unknown = t.unknown + excluded.unknown,
    first_at = least(t.first_at, excluded.first_at),
    last_at = greatest(t.last_at, excluded.last_at)

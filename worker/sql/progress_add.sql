-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.progress as p (
        run_no, source_no, applied, skipped, failed, quarantined, unknown, spawned,
        digest_a, digest_b, place)
select *
from unnest($1::bigint[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])
on conflict (run_no, source_no) do update
set applied = p.applied + excluded.applied,
        skipped = p.skipped + excluded.skipped,
        failed = p.failed + excluded.failed,
        quarantined = p.quarantined + excluded.quarantined,
        unknown = p.unknown + excluded.unknown,
        spawned = p.spawned + excluded.spawned,
        digest_a = p.digest_a # excluded.digest_a,
        digest_b = p.digest_b # excluded.digest_b,
        place = greatest(p.place, excluded.place)

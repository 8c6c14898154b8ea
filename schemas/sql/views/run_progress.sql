-- SPDX-License-Identifier: Apache-2.0
create or replace view rollcall.run_progress as
select r.run_no, r.run_id, r.pack, r.job, r.scheduled_at, r.cause, r.requested_by, r.settings,
       r.dry_run, r.state, r.reason,
       r.requested_at, r.planned_at, r.published_at, r.closed_at,
       r.planned + coalesce(p.spawned, 0) as planned,
       coalesce(p.applied, 0) as applied, coalesce(p.skipped, 0) as skipped,
       coalesce(p.failed, 0) as failed,
       coalesce(p.quarantined, 0) as quarantined, coalesce(p.unknown, 0) as unknown,
       coalesce(p.spawned, 0) as spawned,
       coalesce(p.done, 0) as done,
       coalesce(p.digest_a, 0) = r.planned_digest_a
         and coalesce(p.digest_b, 0) = r.planned_digest_b as digest_matches
from rollcall.run r
left join lateral (
  select sum(applied)::bigint as applied, sum(skipped)::bigint as skipped,
         sum(failed)::bigint as failed,
         sum(quarantined)::bigint as quarantined, sum(unknown)::bigint as unknown,
         sum(spawned)::bigint as spawned,
         sum(applied + skipped + failed + quarantined + unknown)::bigint as done,
         bit_xor(digest_a) as digest_a, bit_xor(digest_b) as digest_b
  from rollcall.progress where run_no = r.run_no
) p on true;

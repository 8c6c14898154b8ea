-- SPDX-License-Identifier: Apache-2.0
-- Takes a lease that is free or expired, or renews our own. A change of holder gets a new epoch.
-- $1 holder, $2 our epoch, $3 length in ms. No row: somebody else leads.
insert into rollcall.lease as l (name, holder, epoch, expires_at)
values ('scheduler', $1, $2::bigint + 1, clock_timestamp() + $3::bigint * interval '1 ms')
on conflict (name) do update
set holder = $1,
        epoch = case when l.holder = $1 and l.epoch = $2::bigint then l.epoch else l.epoch + 1 end,
        expires_at = clock_timestamp() + $3::bigint * interval '1 ms'
where (l.holder = $1 and l.epoch = $2::bigint) or l.expires_at < clock_timestamp()
returning l.epoch

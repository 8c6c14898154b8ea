-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.alert (what, detail)
select * from unnest($1::text[], $2::text[])
on conflict (what) do update
set detail = excluded.detail, seen_at = clock_timestamp()

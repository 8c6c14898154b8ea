-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.recent_error (event_id, at, run_id, type, subject, item, outcome, reason)
select *
from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::text[],
            $7::int2[], $8::text[])
order by 1
on conflict (event_id) do nothing

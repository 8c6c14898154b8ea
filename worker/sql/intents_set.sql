-- SPDX-License-Identifier: Apache-2.0
-- The tasks are about to be acted upon once more: their attempt is counted before.
update rollcall.outcome o
set outcome = -1,
        sequence = null,
        attempt = u.attempt,
        replaces = coalesce(u.replaces::smallint, o.replaces)
from unnest($1::int[], $2::bigint[], $3::smallint[], $4::text[])
        as u(source_no, src_offset, attempt, replaces)
where o.source_no = u.source_no and o.src_offset = u.src_offset
        and (o.outcome < 0 or o.outcome = 3)

-- SPDX-License-Identifier: Apache-2.0
-- What actions and retries came to, in the place of an intent, a wait or a quarantine.
update rollcall.outcome o
set outcome = u.outcome,
        reason = u.reason,
        sequence = case when u.outcome >= 0 then u.sequence end,
        attempt = u.attempt,
        at = now(),
        before = u.before,
        after = u.after,
        follow_ups = case when u.outcome = 0
                then string_to_array(nullif(u.follow_ups, ''), ',') end,
        replaces = coalesce(u.replaces::smallint, o.replaces)
from unnest($1::int[], $2::bigint[], $3::smallint[], $4::bigint[], $5::smallint[], $6::text[],
        $7::text[], $8::text[], $9::text[], $10::text[])
        as u(source_no, src_offset, outcome, sequence, attempt, replaces, reason, before, after,
                follow_ups)
where o.source_no = u.source_no and o.src_offset = u.src_offset
        and (o.outcome < 0 or o.outcome = 3)

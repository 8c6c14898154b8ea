-- SPDX-License-Identifier: Apache-2.0
-- Whoever gets the row tries the type's statement. The samples are messages that failed.
update rollcall.paused_type
set tries = tries + 1,
        tried_at = clock_timestamp(),
        next_try_at = clock_timestamp() + rollcall.pause_wait(tries + 1, $2, $3)
where type_no = $1::int and resumed_at is null and next_try_at <= clock_timestamp()
returning (select string_agg(encode(x, 'hex'), ',') from unnest(samples) x)

-- SPDX-License-Identifier: Apache-2.0
-- Troubles that have lasted for $1 ms and were not notified yet: they are now.
update rollcall.alert
set told_at = clock_timestamp()
where told_at is null and since < clock_timestamp() - $1 * interval '1 ms'
returning what, detail, to_char(since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"')

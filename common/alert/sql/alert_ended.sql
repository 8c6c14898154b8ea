-- SPDX-License-Identifier: Apache-2.0
-- Troubles other than $1 are over. $2: the lanes were checked; else their troubles stay. One that
-- was notified stays for $3 ms, so that one that comes and goes is not notified each time.
delete from rollcall.alert
where what <> all($1::text[])
        and ($2 or what not like 'no worker: %')
        and seen_at < clock_timestamp()
        - case when told_at is null then 0 else $3 end * interval '1 ms'
returning what, detail, told_at is not null

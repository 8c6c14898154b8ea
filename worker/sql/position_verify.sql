-- SPDX-License-Identifier: Apache-2.0
-- Of the positions $1 to $3, how many are as this worker left them. And of its topics' positions
-- that the table still gives to it, but that it does not have, the first.
select count(*) filter (
                where u.source_no is not null and p.epoch = u.epoch and p.next = u.next),
        (array_agg(p.partition order by p.topic, p.partition)
                filter (where u.source_no is null))[1],
\ir _paused_types.sql
        ,
        min(p.topic) filter (where u.source_no is null)
from rollcall.position p
left join unnest($1::int[], $2::bigint[], $3::bigint[]) as u(source_no, epoch, next)
        using (source_no)
where u.source_no is not null
        or (p.cluster = $4 and p.topic = any($5::text[]) and p.owner = $6)

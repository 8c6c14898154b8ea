-- SPDX-License-Identifier: Apache-2.0
-- The same with those rows only that have no row in rollcall.outcome. What has one has been taken
-- by a worker: also what is still to be retried or published there. A run that is published again
-- is kept by task: rollcall.outcome_batch has nothing of it.
select
\ir _chunk_head.sql
, x.subjects, x.items
from rollcall.plan p
join rollcall.run r using (run_no)
cross join lateral (
        select array_agg(u.subject order by u.n) as subjects,
                array_agg(u.item order by u.n) as items
        from unnest(p.subjects, p.items) with ordinality as u(subject, item, n)
        where not exists (
                select from rollcall.outcome o
                where o.day = r.day and o.run_no = r.run_no and o.type_no = p.type_no
                and octet_length(o.subject) = octet_length(u.subject) and o.subject = u.subject
                and o.item = coalesce(u.item, '')
        )
) x
where p.run_no = $1 and p.chunk = $2

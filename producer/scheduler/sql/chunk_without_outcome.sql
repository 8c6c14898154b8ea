-- SPDX-License-Identifier: Apache-2.0
-- Those of a chunk that have no row in the ledger. What has one has been taken by a worker: also
-- what is still to be retried or published there. $1 run, $2 chunk.
select array_agg(u.subject order by u.n), array_agg(u.item order by u.n)
from rollcall.plan p
join rollcall.run r using (run_no)
cross join lateral unnest(p.subjects, p.items) with ordinality as u(subject, item, n)
where p.run_no = $1 and p.chunk = $2
        and not exists (
                select from rollcall.outcome o
                where o.day = r.day and o.run_no = r.run_no and o.type_no = p.type_no
                and octet_length(o.subject) = octet_length(u.subject) and o.subject = u.subject
                and o.item = coalesce(u.item, '')
        )

-- SPDX-License-Identifier: Apache-2.0
select o.type, o.subject, o.item, o.before, o.after, o.reason
from rollcall.outcome_named o
join rollcall.run r using (run_no)
where o.run_no = $1::bigint and o.day = r.day and o.outcome = 'applied'
order by o.type, o.subject, o.item
limit $2::bigint

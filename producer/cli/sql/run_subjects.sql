-- SPDX-License-Identifier: Apache-2.0
-- Those with the outcome $3; null: those that somebody has to look at.
select o.type, o.subject, o.item, o.outcome, o.reason, o.before, o.after, o.at, o.attempt
from rollcall.outcome_named o
join rollcall.run r using (run_no)
where o.run_no = $1::bigint and o.day = r.day
  and case when $3::text is null then o.outcome in ('failed', 'quarantined', 'unknown')
           else o.outcome = $3 end
order by o.type, o.subject, o.item
limit $2::bigint

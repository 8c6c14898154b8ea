-- SPDX-License-Identifier: Apache-2.0
-- Those with the outcome $3; null: those that somebody has to look at.
select t.name as type, o.subject, o.item, rollcall.outcome_name(o.outcome) as outcome, o.reason,
       o.before, o.after, o.at, o.attempt
from rollcall.outcomes_of_run(
  $1::bigint,
  (select array_agg(code)::smallint[]
   from generate_series(-2, 4) as code
   where case when $3::text is null then code >= 2
              else rollcall.outcome_name(code::smallint) = $3 end)) o
join rollcall.task_type t using (type_no)
order by 1, 2, 3
limit $2::bigint

-- SPDX-License-Identifier: Apache-2.0
-- Millions of rows are counted before anything in them gets a name.
select t.name as type, rollcall.outcome_name(g.outcome) as outcome, g.reason, g.count
from (
  select type_no, outcome, reason, sum(count) as count
  from (
    select type_no, outcome, reason, count(*) as count
    from rollcall.outcome
    where run_no = $1::bigint and day = (select day from rollcall.run where run_no = $1::bigint)
    group by 1, 2, 3
    union all
    -- of the batches only those whose tasks differ are opened
    select type_no, outcome[1], coalesce(reason[1], ''), sum(n)
    from rollcall.outcome_batch
    where run_no = $1::bigint and day = (select day from rollcall.run where run_no = $1::bigint)
      and cardinality(outcome) = 1 and coalesce(cardinality(reason), 1) = 1
    group by 1, 2, 3
    union all
    select b.type_no, u.outcome, coalesce(u.reason, ''), count(*)
    from rollcall.outcome_batch b
    cross join lateral (
      select case when cardinality(b.outcome) = 1 then b.outcome[1] else o.outcome end as outcome,
             case when cardinality(b.reason) = 1 then b.reason[1] else o.reason end as reason
      from generate_series(1, b.n) with ordinality as i(i, n)
      left join unnest(b.outcome, b.reason) with ordinality as o(outcome, reason, n) using (n)
    ) u
    where b.run_no = $1::bigint
      and b.day = (select day from rollcall.run where run_no = $1::bigint)
      and not (cardinality(b.outcome) = 1 and coalesce(cardinality(b.reason), 1) = 1)
      and u.outcome is not null
    group by 1, 2, 3
  ) c
  group by 1, 2, 3
) g
join rollcall.task_type t using (type_no)
order by 1, 4 desc, 2, 3
limit $2::bigint

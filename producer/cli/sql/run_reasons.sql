-- SPDX-License-Identifier: Apache-2.0
-- Millions of rows are counted before anything in them gets a name.
select t.name as type, rollcall.outcome_name(g.outcome) as outcome, g.reason, g.count
from (
  select type_no, outcome, reason, sum(count)::bigint as count
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
    select type_no, outcome, reason, count(*)
    from (
      select b.type_no,
             case when b.same_outcome then b.outcome[1] else u.outcome end as outcome,
             coalesce(case when b.same_reason then b.reason[1] else u.reason end, '') as reason
      from (
        select type_no, outcome, reason, cardinality(outcome) = 1 as same_outcome,
               coalesce(cardinality(reason) = 1, false) as same_reason
        from rollcall.outcome_batch
        where run_no = $1::bigint and day = (select day from rollcall.run where run_no = $1::bigint)
        offset 0
      ) b
      cross join lateral unnest(b.outcome, b.reason) as u(outcome, reason)
      where not (b.same_outcome and (b.same_reason or b.reason is null))
    ) d
    where outcome is not null
    group by 1, 2, 3
  ) c
  group by 1, 2, 3
) g
join rollcall.task_type t using (type_no)
order by 1, 4 desc, 2, 3
limit $2::bigint

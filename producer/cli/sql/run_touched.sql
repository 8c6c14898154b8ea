-- SPDX-License-Identifier: Apache-2.0
-- What dry tasks really changed, beside how many of them would be applied.
select t.name as type, x.relation, x.inserted, x.updated, x.deleted, x.tasks,
       greatest(x.inserted, x.updated, x.deleted) > x.tasks as more_rows_than_tasks
from (
  select u.type_no, u.relation, sum(u.inserted)::bigint as inserted,
         sum(u.updated)::bigint as updated, sum(u.deleted)::bigint as deleted,
         (select count(*)
          from rollcall.outcome o
          join rollcall.run r using (run_no)
          where o.run_no = $1::bigint and o.day = r.day and o.type_no = u.type_no
            and o.outcome = 0)
         + (select coalesce(
              sum(
                case when b.outcome = '{0}' then b.n
                     else cardinality(array_positions(b.outcome, 0::smallint)) end), 0)::bigint
            from rollcall.outcome_batch b
            join rollcall.run r using (run_no)
            where b.run_no = $1::bigint and b.day = r.day and b.type_no = u.type_no) as tasks
  from rollcall.touched u
  where u.run_no = $1::bigint
  group by 1, 2
) x
join rollcall.task_type t using (type_no)
order by 1, 2

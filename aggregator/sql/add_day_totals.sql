-- SPDX-License-Identifier: Apache-2.0
-- A type has at most $7 different reasons a day: once they are used up, further ones are counted
-- as '(other)'. The most frequent reasons of this batch come first.
with given as (
       select date '1970-01-01' + u.day as day, u.type, u.dry_run, u.outcome, u.reason, u.count
       from unnest($1::int4[], $2::text[], $3::bool[], $4::int2[], $5::text[], $6::int8[])
            as u(day, type, dry_run, outcome, reason, count)),
     used as (
       select t.day, t.type, count(*) as n
       from rollcall.day_total t
       where (t.day, t.type) in (select day, type from given)
         and t.reason not in ('', '(other)')
       group by 1, 2),
     ranked as (
       select g.*,
              t.day is not null or g.reason in ('', '(other)') as free,
              row_number() over (
                partition by g.day, g.type, t.day is not null or g.reason in ('', '(other)')
                order by g.count desc, g.reason) as rank
       from given g
       left join rollcall.day_total t using (day, type, dry_run, outcome, reason))
insert into rollcall.day_total as t (day, type, dry_run, outcome, reason, count)
select r.day, r.type, r.dry_run, r.outcome,
       case when r.free or coalesce(u.n, 0) + r.rank <= $7::int8 then r.reason else '(other)' end,
       sum(r.count)
from ranked r
left join used u using (day, type)
group by 1, 2, 3, 4, 5
order by 1, 2, 3, 4, 5
on conflict (day, type, dry_run, outcome, reason) do update
set count = t.count + excluded.count

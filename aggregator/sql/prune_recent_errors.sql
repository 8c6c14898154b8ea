-- SPDX-License-Identifier: Apache-2.0
-- Keeps the $2 newest errors of each type. Rows that another aggregator is deleting are passed
-- over.
delete from rollcall.recent_error
where event_id in (
  select e.event_id
  from unnest($1::text[]) as u(type)
  cross join lateral (
    select x.at, x.event_id
    from rollcall.recent_error x
    where x.type = u.type
    order by x.at desc, x.event_id desc
    offset $2::int8 - 1 limit 1) last
  join rollcall.recent_error e
    on e.type = u.type and (e.at, e.event_id) < (last.at, last.event_id)
  for update of e skip locked)

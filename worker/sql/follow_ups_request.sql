-- SPDX-License-Identifier: Apache-2.0
-- A row for each type and actor; 2,000 of the longest subjects and items fit into one. A name that
-- no pack here has is registered, so that its task is answered like any other of an unknown type.
with u as (
        select *
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
                with ordinality as u(id, subject, item, name, actor, n)
), added as (
        insert into rollcall.task_type (name)
        select distinct name
        from u
        where not exists (select from rollcall.task_type t where t.name = u.name)
        on conflict do nothing
        returning type_no, name
), numbered as (
        select type_no, name from rollcall.task_type
        union all
        select type_no, name from added
), placed as (
        select *, (row_number() over (partition by name, actor order by n) - 1) / 2000 as block
        from u
)
insert into rollcall.request (kind, actor, origin, about, type_no, task_ids, subjects, items)
select 'tasks', p.actor, 'rollcall', p.name, t.type_no, array_agg(p.id order by p.n),
        array_agg(p.subject order by p.n), array_agg(p.item order by p.n)
from placed p
left join numbered t using (name)
group by p.name, p.actor, p.block, t.type_no

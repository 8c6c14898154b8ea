-- SPDX-License-Identifier: Apache-2.0
-- The number of a type's name, which is added when it is new. Looked up first: each try to insert
-- would use up a number, of which there are not many. No row: there are too many names.
with old as (
        select type_no from rollcall.task_type where name = $1
), new as (
        insert into rollcall.task_type (name)
        select $1
        where not exists (select from old)
                and (select count(*) from rollcall.task_type) < $2
        on conflict (name) do nothing
        returning type_no
)
select type_no from old
union all
select type_no from new

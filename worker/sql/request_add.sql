-- SPDX-License-Identifier: Apache-2.0
-- A service's request as a row, in the transaction that moves the position of its intake topic.
with filed as (
        insert into rollcall.request (
                kind, actor, origin, about, type_no, dry_run, task_ids, subjects, items, arguments)
        select 'tasks', $1, 'service', $2, $3::smallint, $4::boolean, $5::uuid[], $6::text[],
                $7::text[], $8::text[]
)
select pg_notify('rollcall_request', '')

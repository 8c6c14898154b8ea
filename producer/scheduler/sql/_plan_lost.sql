-- SPDX-License-Identifier: Apache-2.0
-- The rows of `lost` become chunks of their runs' plans, so that they are published like the rest.
-- They are counted as spawned already.
placed as (
        select *,
                (row_number() over (partition by run_no, type_no order by subject, item) - 1)
                / (select subjects from size) as block
        from lost
),
gathered as (
        select run_no, chunks, type_no, block,
                array_agg(subject order by subject, item) as subjects,
                array_agg(item order by subject, item) as items
        from placed
        group by run_no, chunks, type_no, block
),
added as (
        insert into rollcall.plan (run_no, chunk, type_no, dry_run, subjects, items)
        select run_no,
                chunks - 1
                + row_number() over (partition by run_no order by type_no, block)::integer,
                type_no, false, subjects, items
        from gathered
        returning run_no
)
update rollcall.run r
set chunks = r.chunks + n.n
from (select run_no, count(*)::integer as n from added group by run_no) n
where r.run_no = n.run_no

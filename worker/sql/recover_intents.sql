-- SPDX-License-Identifier: Apache-2.0
-- Actions that were begun and whose result is not known. ($2 is not used.)
with found as (
        select o.src_offset as place, 0::bigint as sequence, o.attempt + 1 as attempt,
                o.arguments, h.tries,
\ir _recover_outcome.sql
        from rollcall.outcome o
        join rollcall.task_type t using (type_no)
        left join rollcall.run r on r.run_no = o.run_no
        left join rollcall.held h on h.source_no = o.source_no and h.src_offset = o.src_offset
        where o.source_no = $1::int and o.outcome = -1 and $2::bigint is not null
        order by place
        limit $3::bigint
),
\ir _recover_rows.sql

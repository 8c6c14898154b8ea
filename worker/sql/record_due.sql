-- SPDX-License-Identifier: Apache-2.0
-- Actions that were done but not recorded, and are to be recorded now. Only what is known to be on
-- the results topic: an event that is published again must be the same. ($2 is not used.)
with found as (
        select h.held_no as place, o.sequence, o.attempt, o.arguments, h.tries,
\ir _recover_outcome.sql
        from rollcall.held h
        join rollcall.position p on p.source_no = h.source_no
        join rollcall.task_type t on t.type_no = h.type_no
        left join rollcall.run r on r.run_no = h.run_no
        cross join lateral (
                select *
                from rollcall.outcome x
                where h.run_no <> 0 and x.day = h.day and x.run_no = h.run_no
                        and x.type_no = h.type_no
                        and octet_length(x.subject) = octet_length(h.subject)
                        and x.subject = h.subject and x.item = h.item
                union all
                select *
                from rollcall.outcome x
                where h.run_no = 0 and x.day = '-infinity' and x.task_id = h.task_id
        ) o
        where h.source_no = $1::int and h.state = 'record' and h.due_at <= now()
                and $2::bigint is not null and o.outcome = 0 and o.sequence <= p.published
                and not
\ir _paused.sql
        order by place
        limit $3::bigint
),
\ir _recover_rows.sql

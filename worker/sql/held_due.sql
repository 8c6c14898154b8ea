-- SPDX-License-Identifier: Apache-2.0
-- Parked tasks of the position $1 that are due, and what is to be done with each. An outcome is
-- replaced only when its event is known to be on the results topic. An outcome -1 is being acted
-- upon: if that was interrupted, it is a matter of recover_intents. Tasks whose row was locked come
-- last: however many they are, the others are taken. `attempt` is a smallint.
with found as (
        select h.held_no + case when h.locked then 1::bigint << 62 else 0 end as place,
                coalesce(o.sequence, 0) as sequence,
                least(case when h.state = 'waiting' then o.attempt else o.attempt + 1 end, 32767)
                        as attempt,
                o.arguments, h.tries,
\ir _recover_outcome.sql
                ,
                case when h.state = 'drop' then 'drop'
                        when h.held_no <> f.held_no then 'blocked'
                        else 'try' end as action,
                h.requested_by,
                case when h.state = 'unknown'
                        then (extract(epoch from now() - h.since) * 1000)::bigint end as waited,
                h.locked
        from rollcall.held h
        join rollcall.outcome o
                on o.day = h.day and o.source_no = h.source_no and o.src_offset = h.src_offset
                and (o.outcome < 0 or o.outcome = 3) and o.outcome <> -1
        join rollcall.position p on p.source_no = h.source_no
        join rollcall.task_type t on t.type_no = h.type_no
        left join rollcall.run r on r.run_no = o.run_no
        cross join lateral (
                select f.held_no, f.state
                from rollcall.held f
                where f.topic = h.topic and f.subject = h.subject and
\ir _blocks.sql
                order by f.held_no
                limit 1
        ) f
        where h.source_no = $1::int and h.due_at <= now() and $2::bigint is not null
                and (o.outcome < 0 or o.sequence <= p.published)
                and (h.state = 'drop' or not
\ir _paused.sql
                )
                and (h.state = 'drop' or h.held_no = f.held_no
                        or (f.state = 'quarantined' and o.outcome < 0))
        order by place
        limit $3::bigint
),
\ir _recover_measured.sql
select
\ir _recover_columns.sql
        ,
        action, requested_by, waited, locked
from measured
where earlier < $4::bigint
order by place

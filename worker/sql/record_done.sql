-- SPDX-License-Identifier: Apache-2.0
-- Those without an error have been recorded: they are no longer parked, and their outcome's reason
-- is corrected. The others wait, or need an operator (no delay).
with u as (
        select *
        from unnest($1::int[], $2::bigint[], $3::smallint[], $4::text[], $5::text[]::bigint[])
                as u(source_no, src_offset, tries, error, delay)
), done as (
        delete from rollcall.held h
        using u
        where h.source_no = u.source_no and h.src_offset = u.src_offset and u.error is null
        returning h.day, h.run_no, h.type_no, h.subject, h.item, h.task_id
), failed as (
        update rollcall.held h
        set tries = u.tries,
                due_at = now() + u.delay * interval '1 ms',
                updated_at = now(),
                errors = (h.errors
                        || (to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z" ')
                                || u.error))
                        [greatest(1, cardinality(h.errors) - 18):]
        from u
        where h.source_no = u.source_no and h.src_offset = u.src_offset and u.error is not null
), of_runs as (
        update rollcall.outcome o
        set reason = regexp_replace(o.reason, '(; )?applied, not recorded: .*$', '')
        from done d
        where d.run_no <> 0 and o.day = d.day and o.run_no = d.run_no and o.type_no = d.type_no
                and octet_length(o.subject) = octet_length(d.subject)
                and o.subject = d.subject and o.item = d.item
)
update rollcall.outcome o
set reason = regexp_replace(o.reason, '(; )?applied, not recorded: .*$', '')
from done d
where d.run_no = 0 and o.day = '-infinity' and o.task_id = d.task_id

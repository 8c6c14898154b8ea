-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.held as h (
        source_no, src_offset, topic, subject, state, task_id, day, run_no, type_no, item, tries,
        due_at, errors, key, value, locked)
select source_no, src_offset, topic, subject, state, task_id, day::date, run_no, type_no, item,
        tries, now() + delay * interval '1 ms',
        case when error is null then '{}'
                else array[to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z" ')
                        || error]
        end,
        key, value, locked
from unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[],
        $8::bigint[], $9::smallint[], $10::text[], $11::smallint[], $12::text[]::bigint[],
        $13::text[], $14::bytea[], $15::bytea[], $16::text[]::boolean[])
        with ordinality
        as u(source_no, src_offset, topic, subject, state, task_id, day, run_no, type_no, item,
                tries, delay, error, key, value, locked, n)
order by n
on conflict (source_no, src_offset) do update
-- state "drop": requested while the task was tried
set tries = excluded.tries,
        locked = excluded.locked,
        state = case when h.state = 'drop' then h.state else excluded.state end,
        due_at = case when h.state = 'drop' then now() else excluded.due_at end,
        errors = (h.errors || excluded.errors)
                [greatest(1, cardinality(h.errors || excluded.errors) - 19):],
        updated_at = now()

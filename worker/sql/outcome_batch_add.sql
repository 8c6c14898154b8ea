-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.outcome_batch (
        day, run_no, chunk, first, n, type_no, source_no, dry_run, first_offset, offsets,
        first_sequence, last_sequence, sequences, outcome, reason, before, after, follow_ups)
values ($1::date, $2, $3::int, $4::int, $5::int, $6::int, $7::int, $8::bool, $9::bigint,
        $10::int[], $11::bigint, $12::bigint, $13::int[], $14::text[]::smallint[], $15::text[],
        $16::text[], $17::text[], $18::text[])

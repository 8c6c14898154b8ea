-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.dead_letter (source_no, src_offset, sequence, reason, key, value)
select * from unnest($1::int[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[])
on conflict do nothing

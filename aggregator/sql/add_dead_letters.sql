-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.dead_letter (source_no, src_offset, sequence, reason, key, value)
select *
from unnest($1::int4[], $2::int8[], $3::int8[], $4::text[], $5::bytea[], $6::bytea[])

-- SPDX-License-Identifier: Apache-2.0
delete from rollcall.held h
using unnest($1::int[], $2::bigint[]) as u(source_no, src_offset)
where h.source_no = u.source_no and h.src_offset = u.src_offset

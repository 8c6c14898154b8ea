-- SPDX-License-Identifier: Apache-2.0
-- Moves each position that is still where this aggregator left it, in the epoch of its claim.
update rollcall.position p
set next = u.next, mark = u.mark, sequence = u.sequence, updated_at = now()
from unnest($1::int4[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[])
     as u(source_no, epoch, was, next, mark, sequence)
where p.source_no = u.source_no
  and p.epoch = u.epoch
  and p.next = u.was

-- SPDX-License-Identifier: Apache-2.0
-- What a results partition had lost has been aggregated, unless somebody else owns it by now.
update rollcall.log_gap g
set repaired_at = now()
from rollcall.position p
where p.source_no = $1::int4
  and p.epoch = $2::int8
  and g.source_no = p.source_no
  and g.repaired_at is null

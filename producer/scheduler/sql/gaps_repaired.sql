-- SPDX-License-Identifier: Apache-2.0
update rollcall.log_gap g
set repaired_at = now()
from rollcall.position p
where g.repaired_at is null and p.source_no = g.source_no and p.topic = any($1::text[])

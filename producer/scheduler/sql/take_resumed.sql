-- SPDX-License-Identifier: Apache-2.0
-- Those of the types $1 that were resumed.
update rollcall.paused_type z
set published_again_at = clock_timestamp()
from rollcall.task_type t
where t.type_no = z.type_no and z.type_no = any($1::int[]) and z.resumed_at is not null
        and z.published_again_at is null
returning z.type_no, t.name, z.resumed_by

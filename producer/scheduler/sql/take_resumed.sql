-- SPDX-License-Identifier: Apache-2.0
update rollcall.paused_type z
set published_again_at = clock_timestamp()
from rollcall.task_type t
where t.type_no = z.type_no and z.resumed_at is not null and z.published_again_at is null
returning z.type_no, t.name, z.resumed_by

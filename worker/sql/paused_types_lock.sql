-- SPDX-License-Identifier: Apache-2.0
-- Of the types $1 those that are still paused, locked against being resumed.
select type_no
from rollcall.paused_type
where type_no = any($1::int[]) and resumed_at is null
order by type_no
for share

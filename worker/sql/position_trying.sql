-- SPDX-License-Identifier: Apache-2.0
-- The offset that is being tried alone; null: nothing, and all went well.
update rollcall.position
set trying = $3::bigint, deaths = case when $3::bigint is null then 0 else deaths end
where source_no = $1 and epoch = $2

-- SPDX-License-Identifier: Apache-2.0
update rollcall.position
set published = greatest(published, $2::int8)
where source_no = $1::int4 and epoch = $3::int8

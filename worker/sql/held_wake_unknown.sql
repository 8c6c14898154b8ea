-- SPDX-License-Identifier: Apache-2.0
update rollcall.held
set due_at = now()
where source_no = $1::int and state = 'unknown'

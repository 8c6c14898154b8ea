-- SPDX-License-Identifier: Apache-2.0
-- The owner's own position on a new connection; no row: another owner has claimed it.
update rollcall.position
set epoch = epoch + 1, updated_at = now()
where source_no = $1 and epoch = $2
returning source_no, epoch, next, sequence, published, mark

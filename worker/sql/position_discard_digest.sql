-- SPDX-License-Identifier: Apache-2.0
-- The digest becomes one that no message has: the next claim finds that the log was replaced.
update rollcall.position p
set mark = ~mark
from unnest($1::int[], $2::bigint[]) as u(source_no, epoch)
where p.source_no = u.source_no and p.epoch = u.epoch

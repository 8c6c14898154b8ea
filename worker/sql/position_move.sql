-- SPDX-License-Identifier: Apache-2.0
-- The statement that every transaction of a worker begins with. Compare-and-set on epoch and
-- offset: a row that is another owner's now is not touched; the caller counts the rows.
update rollcall.position p
set next = u.next,
        mark = u.mark,
        sequence = u.sequence,
        published = greatest(p.published, u.published),
        updated_at = now()
from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::bigint[])
        as u(source_no, epoch, old_next, next, mark, sequence, published)
where p.source_no = u.source_no and p.epoch = u.epoch and p.next = u.old_next
returning now()

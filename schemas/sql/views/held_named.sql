-- SPDX-License-Identifier: Apache-2.0
create or replace view rollcall.held_named as
select h.held_no, h.task_id, h.state, t.name as type, h.subject, h.item, o.attempt as attempts,
       h.tries, coalesce(h.errors[cardinality(h.errors)], o.reason) as reason,
       h.errors, h.due_at, h.since, h.updated_at, h.requested_by, r.run_id, r.pack, r.job, h.topic,
       p.partition,
       rollcall.true_offset(h.src_offset) as src_offset
from rollcall.held h
join rollcall.task_type t using (type_no)
left join rollcall.position p using (source_no)
left join rollcall.outcome o on o.day = h.day and o.source_no = h.source_no
  and o.src_offset = h.src_offset and (o.outcome < 0 or o.outcome = 3)
left join rollcall.run r on r.run_no = h.run_no;

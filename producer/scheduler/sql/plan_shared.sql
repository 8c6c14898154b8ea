-- SPDX-License-Identifier: Apache-2.0
-- What is planned is no follow-up any more: see rollcall.shared_follow_up. $1 run, $2 type's name.
insert into rollcall.shared_follow_up (run_no, type_no, subject, item)
select p.run_no, p.type_no, s.subject, coalesce(s.item, '')
from rollcall.plan p
cross join lateral unnest(p.subjects, p.items) as s(subject, item)
where p.run_no = $1
        and p.type_no = (select type_no from rollcall.task_type where name = $2)
on conflict do nothing

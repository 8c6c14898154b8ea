-- SPDX-License-Identifier: Apache-2.0
-- Is a subject, with its item, planned twice? $1 run, $2 type.
select count(*) > count(distinct (subject, item))
from rollcall.plan p, unnest(p.subjects, p.items) as u(subject, item)
where p.run_no = $1 and p.type_no = $2

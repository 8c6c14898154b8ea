-- SPDX-License-Identifier: Apache-2.0
-- A row: the same was requested before, then.
select r.requested_at
from rollcall.request_tasks($1, $2, $3, $4, $5, $6, $7) as n(filed)
left join rollcall.request r on r.request_no = n.filed
where r.request_no is not null

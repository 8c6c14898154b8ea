-- SPDX-License-Identifier: Apache-2.0
select request_no, requested_at, actor, on_behalf_of, origin, kind, about, n_tasks, dry_run,
       published_at, detail
from rollcall.request
order by request_no desc
limit $1::bigint

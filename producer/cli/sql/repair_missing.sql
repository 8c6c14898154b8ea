-- SPDX-License-Identifier: Apache-2.0
select count(distinct r.run_no), count(*)
from rollcall.run r
cross join lateral rollcall.missing(r.run_no)
where r.state in ('planned', 'published')

-- SPDX-License-Identifier: Apache-2.0
select c.source_no, c.epoch, c.next, c.sequence, c.published, c.mark,
        rollcall.adopt(c.source_no), d.deaths, d.trying
from rollcall.claim($1, $2, $3, $4) c
cross join lateral rollcall.count_deaths(c.source_no, $4) d

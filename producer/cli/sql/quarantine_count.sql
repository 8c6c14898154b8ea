-- SPDX-License-Identifier: Apache-2.0
select count(*) filter (where h.state = 'quarantined'),
       count(*) filter (where h.state = 'behind'), count(*) filter (where h.state = $7)
from
\ir _held_chosen.sql
as h

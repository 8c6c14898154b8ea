-- SPDX-License-Identifier: Apache-2.0
-- The first parked task of each subject, and whether it is quarantined.
select distinct on (f.subject) f.subject, f.state in ('quarantined', 'behind')
from rollcall.held f
where f.topic = $1 and f.subject = any($2::text[]) and
\ir _blocks.sql
order by f.subject, f.held_no

-- SPDX-License-Identifier: Apache-2.0
-- $1 run, $2 chunk.
select
\ir _chunk_head.sql
, p.subjects, p.items
from rollcall.plan p
where p.run_no = $1 and p.chunk = $2

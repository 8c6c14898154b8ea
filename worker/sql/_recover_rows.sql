-- SPDX-License-Identifier: Apache-2.0
-- The end of a statement that recovers what `found` has.
\ir _recover_measured.sql
select
\ir _recover_columns.sql
from measured
where earlier < $4::bigint
order by place

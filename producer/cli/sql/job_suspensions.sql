-- SPDX-License-Identifier: Apache-2.0
select j.pack || '.' || j.job as job,
\ir _suspension.sql
from rollcall.job j
where j.pack || '.' || j.job = any($1::text[])

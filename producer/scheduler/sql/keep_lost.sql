-- SPDX-License-Identifier: Apache-2.0
-- The ledger keeps the runs whose tasks may be lost by task from now on. $1, $2: see _is_lost.sql.
-- In the order in which workers lock them.
select rollcall.keep_by_task(run_no)
from (
        select r.run_no
        from rollcall.run r
        where not r.by_task and
        \ir _is_lost.sql
        order by r.run_no
        offset 0
) r

-- SPDX-License-Identifier: Apache-2.0
select program, host, pid, name, lane, partitions, leads, seen_at, alive
from rollcall.process_now
order by name

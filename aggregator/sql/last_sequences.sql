-- SPDX-License-Identifier: Apache-2.0
-- The last sequence that the ledger has issued of each partition that workers consume, and the
-- database's clock. $1 is the results topic, which workers do not consume.
select topic, partition, max(sequence), now()
from rollcall.position
where topic <> $1::text
group by 1, 2
order by 1, 2 desc

-- SPDX-License-Identifier: Apache-2.0
select source_no, topic, partition, epoch, next, mark
from rollcall.position
where cluster = $1 and topic = any(string_to_array($2, ','))
order by 2, 3

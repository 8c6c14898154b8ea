-- SPDX-License-Identifier: Apache-2.0
-- How far the workers are in a topic.
select partition, next, extract(epoch from now() - updated_at)::bigint
from rollcall.position
where cluster = $1 and topic = $2

-- SPDX-License-Identifier: Apache-2.0
select name
from rollcall.task_type
where name = $1 or substr(name, position('.' in name) + 1) = $1
order by name = $1 desc, name

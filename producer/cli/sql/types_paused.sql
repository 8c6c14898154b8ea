-- SPDX-License-Identifier: Apache-2.0
select type, since, sqlstate, tries, next_try_at, reason
from rollcall.paused_type_named
order by type

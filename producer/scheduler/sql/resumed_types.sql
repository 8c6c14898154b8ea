-- SPDX-License-Identifier: Apache-2.0
select type_no
from rollcall.paused_type
where resumed_at is not null and published_again_at is null

-- SPDX-License-Identifier: Apache-2.0
select type, subject, item from rollcall.missing($1::bigint) order by 1, 2, 3 limit $2::bigint

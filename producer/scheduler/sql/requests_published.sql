-- SPDX-License-Identifier: Apache-2.0
update rollcall.request
set published_at = clock_timestamp(), cluster = $2, again = false
where request_no = any($1)

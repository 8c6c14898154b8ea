-- SPDX-License-Identifier: Apache-2.0
select name, holder, expires_at > now() as alive, expires_at from rollcall.lease order by name

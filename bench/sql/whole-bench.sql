-- SPDX-License-Identifier: Apache-2.0
update bench.person set status = 'expired' where status = 'active' and expires_at < now()

-- SPDX-License-Identifier: Apache-2.0
select at, type, subject, reason from rollcall.recent_error order by at desc limit 5

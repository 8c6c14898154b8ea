-- SPDX-License-Identifier: Apache-2.0
select count(*) from pg_stat_replication where current_setting('synchronous_standby_names') = ''

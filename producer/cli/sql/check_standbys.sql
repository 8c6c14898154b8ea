select count(*) from pg_stat_replication where current_setting('synchronous_standby_names') = ''

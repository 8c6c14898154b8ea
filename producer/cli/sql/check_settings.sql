-- SPDX-License-Identifier: Apache-2.0
-- Per setting: its value here, and whether it breaks the promise that what is committed is kept.
-- synchronous_commit = local does so only where commits wait for a standby.
select name, setting,
       case name
         when 'synchronous_commit'
         then setting = 'off'
              or (setting = 'local' and current_setting('synchronous_standby_names') <> '')
         when 'default_transaction_read_only' then setting = 'on'
         else setting = 'off'
       end
from pg_settings
where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'default_transaction_read_only')
order by name

-- SPDX-License-Identifier: Apache-2.0
-- Settings of databases and roles that reach other sessions than this one.
select coalesce(r.rolname, 'every role')::text, c
from pg_db_role_setting s
left join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) c
where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
  and (c in ('synchronous_commit=off', 'default_transaction_read_only=on')
       or (c = 'synchronous_commit=local' and current_setting('synchronous_standby_names') <> ''))
order by 1, 2

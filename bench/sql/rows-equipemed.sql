-- SPDX-License-Identifier: Apache-2.0
update equipemed.accounts_eqmdcustomuser
set account_status = 'expired'
where id = $1::bigint and account_status = 'active' and access_expires_at < now();
insert into equipemed.accounts_historicaleqmdcustomuser (
  history_date, history_change_reason, history_type, id, username, account_status,
  access_expires_at)
select now(), 'Auto-updated by expiration checker: active -> expired', '~', id, username, 'expired',
       access_expires_at
from equipemed.accounts_eqmdcustomuser where id = $1::bigint

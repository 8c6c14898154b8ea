-- SPDX-License-Identifier: Apache-2.0
with changed as (
  update equipemed.accounts_eqmdcustomuser u set account_status = 'expired'
  where id = any ($1::bigint[]) and is_active
    and account_status in ('active', 'expiring_soon', 'inactive') and access_expires_at < now()
  returning id, username, access_expires_at
)
insert into equipemed.accounts_historicaleqmdcustomuser (
  history_date, history_change_reason, history_type, id, username, account_status,
  access_expires_at)
select now(), 'Auto-updated by expiration checker: active -> expired', '~', id, username, 'expired',
       access_expires_at
from changed

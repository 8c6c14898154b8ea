-- SPDX-License-Identifier: Apache-2.0
update equipemed.accounts_eqmdcustomuser
set account_status = 'expired'
where is_active and account_status = 'active' and access_expires_at < now()

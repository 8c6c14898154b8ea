-- SPDX-License-Identifier: Apache-2.0
-- :people users of EquipeMed whose access has ended; :due of them are due, spread evenly: the
-- others' status says so already.
insert into equipemed.accounts_eqmdcustomuser (
  id, username, email, first_name, last_name, profession_type, date_joined, account_status,
  access_expires_at)
select n, 'user.' || n, 'user.' || n || '@example.org', 'Name', 'Surname ' || n, 1,
       timestamptz '2024-01-01',
       case when n % greatest(1, :people / :due) = 0 then 'active' else 'expired' end,
       timestamptz '2025-01-01' + n % 365 * interval '1 day'
from generate_series(1, :people) n;

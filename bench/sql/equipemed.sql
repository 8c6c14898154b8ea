-- :people users of EquipeMed whose access has ended: each is due.
insert into equipemed.accounts_eqmdcustomuser (id, username, email, first_name, last_name, profession_type, date_joined, account_status, access_expires_at)
select n, 'user.' || n, 'user.' || n || '@example.org', 'Name', 'Surname ' || n, 1, timestamptz '2024-01-01', 'active', timestamptz '2025-01-01' + n % 365 * interval '1 day'
from generate_series(1, :people) n;

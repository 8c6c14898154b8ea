-- Recommended indexes on EquipeMed's tables, for the DBA to make: psql -f indexes.sql (each on its
-- own, outside a transaction). With the first, Django's index on account_status alone is no longer
-- needed.
-- check-expiration, warn-expiration: who is due among millions, without reading the others.
create index concurrently if not exists rollcall_status_expiry
  on accounts_eqmdcustomuser (account_status, access_expires_at) where is_active;
-- mark-inactive, auto-suspend. Each visit of an active user writes an entry; leave it out when a
-- weekly scan of the whole table is cheaper.
create index concurrently if not exists rollcall_inactive_since
  on accounts_eqmdcustomuser ((coalesce(last_meaningful_activity, date_joined)))
  where is_active and account_status in ('active', 'inactive');

-- SPDX-License-Identifier: Apache-2.0
-- What the pack equipemed needs of the organisation's tables. Run as their owner, after
-- rollcall.sql; it can be repeated.
do $$
begin
  if not exists (select from pg_roles where rolname = 'rollcall_equipemed_read') then
    create role rollcall_equipemed_read nologin;
  end if;
  if not exists (select from pg_roles where rolname = 'rollcall_equipemed_write') then
    create role rollcall_equipemed_write nologin;
  end if;
end $$;
grant rollcall_equipemed_read
  to rollcall_equipemed_write, rollcall_scheduler, rollcall_reader, rollcall_operator;
grant rollcall_equipemed_write to rollcall_worker;
-- what a command would do is shown by a worker's dry run
revoke rollcall_equipemed_write from rollcall_operator;

grant usage on schema equipemed, rollcall_equipemed to rollcall_equipemed_read;
-- Named columns of the users: no password hashes.
revoke select on equipemed.accounts_eqmdcustomuser from rollcall_equipemed_read;
grant select (
  id, username, email, first_name, last_name, profession_type, is_active, is_staff, is_superuser,
  date_joined, last_login, account_status, access_expires_at, expiration_reason,
  expiration_warning_sent, last_meaningful_activity, supervisor_id, reviewed_by_id)
  on equipemed.accounts_eqmdcustomuser to rollcall_equipemed_read;
grant select on equipemed.accounts_historicaleqmdcustomuser, equipemed.core_accountrenewalrequest,
  rollcall_equipemed.warning, rollcall_equipemed.emergency_access to rollcall_equipemed_read;

grant update (
  account_status, access_expires_at, is_active, expiration_reason, expiration_warning_sent,
  reviewed_by_id)
  on equipemed.accounts_eqmdcustomuser to rollcall_equipemed_write;
grant insert on equipemed.accounts_historicaleqmdcustomuser to rollcall_equipemed_write;
grant update (status, reviewed_at, reviewed_by_id, review_notes),
  delete on equipemed.core_accountrenewalrequest
  to rollcall_equipemed_write;
grant insert, update, delete on rollcall_equipemed.warning to rollcall_equipemed_write;
grant insert, update (ended_at) on rollcall_equipemed.emergency_access to rollcall_equipemed_write;

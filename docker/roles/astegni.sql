-- SPDX-License-Identifier: Apache-2.0
-- What the pack astegni needs of the organisation's tables. Run as their owner, after rollcall.sql;
-- it can be repeated.
do $$
begin
  if not exists (select from pg_roles where rolname = 'rollcall_astegni_read') then
    create role rollcall_astegni_read nologin;
  end if;
  if not exists (select from pg_roles where rolname = 'rollcall_astegni_write') then
    create role rollcall_astegni_write nologin;
  end if;
  -- who may approve a deletion, and who may say that a backup was verified: grant each to those
  -- people's roles
  if not exists (select from pg_roles where rolname = 'rollcall_astegni_approver') then
    create role rollcall_astegni_approver nologin;
  end if;
  if not exists (select from pg_roles where rolname = 'rollcall_astegni_backup') then
    create role rollcall_astegni_backup nologin;
  end if;
end $$;
grant rollcall_astegni_read
  to rollcall_astegni_write, rollcall_scheduler, rollcall_reader, rollcall_operator;
grant rollcall_astegni_write to rollcall_worker;
-- what a command would do is shown by a worker's dry run
revoke rollcall_astegni_write from rollcall_operator;

grant usage on schema astegni, rollcall_astegni to rollcall_astegni_read;
-- Named columns of the organisation's tables: what else they hold is nobody's here.
revoke select on all tables in schema astegni from rollcall_astegni_read;
grant select (
  id, first_name, email, roles, is_active, high_value, scheduled_deletion_at, created_at
) on astegni.users
  to rollcall_astegni_read;
grant select (id, user_id, is_active, scheduled_deletion_at) on astegni.student_profiles,
  astegni.tutor_profiles, astegni.parent_profiles,
  astegni.advertiser_profiles to rollcall_astegni_read;
grant select on astegni.deletion_audit_log to rollcall_astegni_read;
grant select on all tables in schema rollcall_astegni to rollcall_astegni_read;

grant update (roles, scheduled_deletion_at, is_active), delete on astegni.users
  to rollcall_astegni_write;
grant update (scheduled_deletion_at, is_active), delete on astegni.student_profiles,
  astegni.tutor_profiles, astegni.parent_profiles,
  astegni.advertiser_profiles to rollcall_astegni_write;
grant insert on astegni.deletion_audit_log to rollcall_astegni_write;
grant usage on sequence astegni.deletion_audit_log_id_seq to rollcall_astegni_write;
grant insert, update, delete on rollcall_astegni.deletion_request to rollcall_astegni_write;
-- for share needs update
grant insert, update on rollcall_astegni.deletion_approval, rollcall_astegni.backup_verified
  to rollcall_astegni_write;

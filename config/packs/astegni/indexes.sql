-- Recommended indexes on Astegni's tables, for the DBA to make: psql -f indexes.sql (each on its
-- own, outside a transaction). Who is due: only rows with a date are in these.
create index concurrently if not exists rollcall_account_goes
  on users (scheduled_deletion_at)
  where scheduled_deletion_at is not null;
create index concurrently if not exists rollcall_student_goes
  on student_profiles (scheduled_deletion_at)
  where scheduled_deletion_at is not null;
create index concurrently if not exists rollcall_tutor_goes
  on tutor_profiles (scheduled_deletion_at)
  where scheduled_deletion_at is not null;
create index concurrently if not exists rollcall_parent_goes
  on parent_profiles (scheduled_deletion_at)
  where scheduled_deletion_at is not null;
create index concurrently if not exists rollcall_advertiser_goes
  on advertiser_profiles (scheduled_deletion_at)
  where scheduled_deletion_at is not null;
-- Cascades: without these each deleted user or profile reads the whole referring table.
create index concurrently if not exists rollcall_student_user on student_profiles (user_id);
create index concurrently if not exists rollcall_tutor_user on tutor_profiles (user_id);
create index concurrently if not exists rollcall_parent_user on parent_profiles (user_id);
create index concurrently if not exists rollcall_advertiser_user on advertiser_profiles (user_id);
create index concurrently if not exists rollcall_session_tutor on tutor_sessions (tutor_profile_id);
-- Commands look users up by address, whatever its case.
create index concurrently if not exists rollcall_user_email on users (lower(email));

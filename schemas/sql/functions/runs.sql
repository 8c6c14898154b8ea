-- SPDX-License-Identifier: Apache-2.0
-- Has an open run published again as far as the ledger does not have its tasks. No row: it is not
-- planned or published.
create or replace function rollcall.republish_run(which uuid, on_behalf_of text)
returns table (chunks integer) language plpgsql
security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform rollcall.keep_by_task(run_no)
  from rollcall.run
  where run_id = which and state in ('planned', 'published');
  perform rollcall.file_request('republish run', which::text, '{}', on_behalf_of);
  return query
  update rollcall.run r
  set chunks_published = 0, again = true, state = 'planned', published_at = null
  where r.run_id = which and r.state in ('planned', 'published') returning r.chunks;
  if not found then
    raise exception 'only a run that is planned or published, and not closed, is published again'
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  perform pg_notify('rollcall_run', '');
end $$;
revoke execute on function rollcall.republish_run(uuid, text) from public;

-- Stops an open run. Its tasks that are published already are skipped by the workers, the others
-- are never published. False: it is not open, or unknown.
create or replace function rollcall.cancel_run(which uuid, why text, on_behalf_of text)
returns boolean language plpgsql
security definer set search_path = pg_catalog, pg_temp as $$
begin
  update rollcall.run set state = 'cancelled', closed_at = clock_timestamp(),
    reason = 'by ' || rollcall.asked_by(on_behalf_of) || coalesce(': ' || nullif(why, ''), '')
  where run_id = which and rollcall.run_is_open(state);
  if not found then
    return false;
  end if;
  perform rollcall.file_request(
    'cancel run', which::text, jsonb_build_object('reason', coalesce(why, '')), on_behalf_of);
  perform pg_notify('rollcall_run', '');
  return true;
end $$;
revoke execute on function rollcall.cancel_run(uuid, text, text) from public;

-- Requests a run by hand. False: that run (same job, same instant) exists already. What the tool
-- and the scheduler refuse is refused here, too.
create or replace function rollcall.request_run(
  run_id uuid, pack text, job text, scheduled_at timestamptz, settings jsonb, dry_run boolean,
  force boolean, expect jsonb, on_behalf_of text)
returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  locked text;
begin
  select l.name into locked
  from rollcall.locked_setting l
  where l.pack = pack and settings ? l.name
  order by 1
  limit 1;
  if found then
    raise exception 'the setting "%" is locked', locked
      using errcode = 'check_violation', hint = 'only the service''s configuration can change it';
  end if;
  perform rollcall.check_job_roles(pack, job);
  if not dry_run and scheduled_at > clock_timestamp() then
    raise exception 'the instant % is later than the database''s clock', scheduled_at
      using errcode = 'check_violation', hint = 'only a dry run may have an instant in the future';
  end if;
  insert into rollcall.run as r (
    run_id, pack, job, scheduled_at, day, cause, requested_by, requested_for, settings, dry_run,
    force, expect)
  values (
    run_id, pack, job, scheduled_at, (scheduled_at at time zone 'UTC')::date, 'manual',
    session_user, nullif(nullif(on_behalf_of, ''), session_user), coalesce(settings, '{}'), dry_run,
    force, expect)
  on conflict on constraint run_run_id_key do nothing;
  if not found then
    return false;
  end if;
  perform rollcall.file_request(
    'run', run_id::text,
    jsonb_build_object(
      'job', pack || '.' || job, 'scheduled_at', scheduled_at, 'settings', settings,
      'dry_run', dry_run, 'force', force, 'expect', expect),
    on_behalf_of);
  perform pg_notify('rollcall_run', '');
  return true;
end $$;
revoke execute on function rollcall.request_run(
  uuid, text, text, timestamptz, jsonb, boolean, boolean, jsonb, text)
  from public;

-- Publishes a run that was held for review as it was planned; its time limit runs from here. False:
-- it is not held.
create or replace function rollcall.release_run(run_id uuid, on_behalf_of text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  held rollcall.run;
begin
  select * into held
  from rollcall.run r
  where r.run_id = run_id and r.state = 'held for review'
  for no key update;
  if not found then
    return false;
  end if;
  perform rollcall.check_job_roles(held.pack, held.job);
  perform rollcall.file_request(
    'release run', run_id::text,
    jsonb_build_object(
      'job', held.pack || '.' || held.job, 'planned', held.planned, 'held_because', held.reason),
    on_behalf_of);
  update rollcall.run r
  set state = 'planned', reason = '', released_at = clock_timestamp(),
      released_by = rollcall.asked_by(on_behalf_of),
      deadline_at = held.deadline_at + (clock_timestamp() - held.held_at)
  where r.run_no = held.run_no;
  perform pg_notify('rollcall_run', '');
  return true;
end $$;
revoke execute on function rollcall.release_run(uuid, text) from public;

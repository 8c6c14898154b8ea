-- SPDX-License-Identifier: Apache-2.0
-- `jobs`: "pack.job". Gives those that are suspended now. With all: what is suspended already stays
-- as it is.
create or replace function rollcall.suspend_jobs(
  jobs text[], with_all boolean, reason text, on_behalf_of text)
returns table (job text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
  perform rollcall.file_request(
    'suspend jobs', case when with_all then 'all' else array_to_string(jobs, ' ') end,
    jsonb_build_object('jobs', to_jsonb(jobs), 'reason', reason), on_behalf_of);
  perform pg_notify('rollcall_run', '');
  update rollcall.job j
  set suspended = true, suspended_by = rollcall.asked_by(on_behalf_of),
      suspended_at = clock_timestamp(), suspended_reason = reason,
      suspended_with_all = with_all
  where j.pack || '.' || j.job = any(jobs) and not (with_all and j.suspended);
  return query
  select j.pack || '.' || j.job
  from rollcall.job j
  where j.pack || '.' || j.job = any(jobs) and j.suspended;
end $$;
revoke execute on function rollcall.suspend_jobs(text[], boolean, text, text) from public;

-- Gives those that were suspended and are not any more.
create or replace function rollcall.resume_jobs(jobs text[], with_all boolean, on_behalf_of text)
returns table (job text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
  perform rollcall.file_request(
    'resume jobs', case when with_all then 'all' else array_to_string(jobs, ' ') end,
    jsonb_build_object('jobs', to_jsonb(jobs)), on_behalf_of);
  perform pg_notify('rollcall_run', '');
  return query
  update rollcall.job j
  set suspended = false, suspended_by = null, suspended_at = null, suspended_reason = null,
      suspended_with_all = false
  where j.pack || '.' || j.job = any(jobs) and j.suspended
    and (j.suspended_with_all or not with_all)
  returning j.pack || '.' || j.job;
end $$;
revoke execute on function rollcall.resume_jobs(text[], boolean, text) from public;

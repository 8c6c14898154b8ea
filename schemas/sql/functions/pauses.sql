-- SPDX-License-Identifier: Apache-2.0
-- The wait before the next try: from base, doubling, up to max.
create or replace function rollcall.pause_wait(tries integer, base_ms bigint, max_ms bigint)
returns interval language sql immutable
return least(max_ms, base_ms * 2 ^ least(tries, 30)) * interval '1 millisecond';

-- False: it was paused already. Tasks of a paused type do not block later tasks of other types.
create or replace function rollcall.pause_type(
  of_type smallint, why text, code text, by_worker text, failed bytea[], base_ms bigint,
  max_ms bigint)
returns boolean
language plpgsql as $$
begin
  insert into rollcall.paused_type as z (type_no, reason, sqlstate, by_whom, samples, next_try_at)
  values (
    of_type, why, code, by_worker, failed,
    clock_timestamp() + rollcall.pause_wait(0, base_ms, max_ms))
  on conflict (type_no) do update
  set since = excluded.since, reason = excluded.reason, sqlstate = excluded.sqlstate,
      by_whom = excluded.by_whom, samples = excluded.samples, resumed_at = null, resumed_by = null,
      published_again_at = null, tried_at = null,
      tries = case
        when z.resumed_at > clock_timestamp() - interval '1 hour' then z.tries
        else 0
      end,
      next_try_at = clock_timestamp() + rollcall.pause_wait(
        case when z.resumed_at > clock_timestamp() - interval '1 hour' then z.tries else 0 end,
        base_ms, max_ms)
  where z.resumed_at is not null;
  if not found then
    return false;
  end if;
  update rollcall.held h set due_at = now()
  where h.due_at is null and h.state = 'waiting' and exists (
    select from rollcall.held f
    where f.topic = h.topic and f.subject = h.subject and f.held_no < h.held_no
      and f.type_no = of_type);
  return true;
end $$;

-- A task that was done while the type was paused did not unblock those that it blocked: that
-- happens when the type resumes. Who is not first of its subject stays blocked.
create or replace function rollcall.wake_resumed() returns trigger language plpgsql as $$
begin
  update rollcall.held
  set due_at = clock_timestamp()
  where type_no = new.type_no and state = 'waiting' and due_at is null;
  return null;
end $$;
create or replace trigger wake_resumed
  after update of resumed_at on rollcall.paused_type
  for each row
  when (old.resumed_at is null and new.resumed_at is not null)
  execute function rollcall.wake_resumed();

-- Has the type's tasks done again. False: it is not paused.
create or replace function rollcall.resume_type(of_type text, on_behalf_of text) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
  update rollcall.paused_type
  set resumed_at = clock_timestamp(), resumed_by = rollcall.asked_by(on_behalf_of), tries = 0
  where resumed_at is null
    and type_no = (select t.type_no from rollcall.task_type t where t.name = of_type);
  if not found then
    return false;
  end if;
  perform rollcall.file_request('resume type', of_type, '{}', on_behalf_of);
  perform pg_notify('rollcall_run', '');
  return true;
end $$;
revoke execute on function rollcall.resume_type(text, text) from public;

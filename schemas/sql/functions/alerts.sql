-- SPDX-License-Identifier: Apache-2.0
create or replace function rollcall.lane_is_served(of_lane text) returns boolean
language sql stable as $$
  select exists (select from rollcall.process_now p where p.lane = of_lane and p.alive)
$$;

-- The problems to report, as far as the database knows: `what` names the problem, and stays the
-- same while it lasts.
create or replace function rollcall.troubles(stuck_after interval)
returns table (what text, detail text) language sql stable as $$
  select 'no scheduler',
         'no scheduler leads: nothing is started, published or closed; start rollcall-scheduler'
  where not exists (
    select from rollcall.lease where name = 'scheduler' and expires_at > clock_timestamp()
  )
  union all
  select 'run does not close: ' || run_id,
         format(
           'run %s of %s.%s is %s and has not moved since %s; see: rollcall runs show %s',
           left(run_id::text, 8), pack, job, state,
           to_char(moved_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), left(run_id::text, 8))
  from rollcall.run, lateral (select coalesce(progress_at, not_before, requested_at) as moved_at) m
  where rollcall.run_is_open(state) and state <> 'held for review'
    and moved_at < clock_timestamp() - stuck_after
  union all
  select 'type paused: ' || type,
         format(
           'the task type %s is paused: %s; its tasks wait, see: rollcall types list', type, reason)
  from rollcall.paused_type_named
  union all
  select 'waits: ' || name, format('%s makes no progress: %s', name, waits_for)
  from rollcall.process_now
  where alive and waits_for is not null
  union all
  select distinct on (program, host, pid) format('reload refused: %s %s/%s', program, host, pid),
         format(
           '%s on %s (pid %s) has refused its configuration since %s and runs with the one '
           'before: %s',
           program, host, pid, to_char(refused_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'),
           refused_reload)
  from rollcall.process_now where alive and refused_reload is not null
$$;

-- SPDX-License-Identifier: Apache-2.0
-- Parked tasks, chosen as `rollcall quarantine` does; null is any. `id_starts`: beginnings of task
-- ids.
create or replace function rollcall.held_chosen(
  id_starts text[], of_job text, of_type text, of_subject text, with_reason text,
  held_since timestamptz)
returns setof rollcall.held_named language sql stable as $$
  select h.* from rollcall.held_named h
  where (
    id_starts is null
    or exists (select from unnest(id_starts) i where h.task_id::text like i || '%'))
    and (of_job is null or of_job in (h.job, h.pack || '.' || h.job))
    and (of_type is null or h.type = of_type or h.type like '%.' || of_type)
    and (of_subject is null or h.subject = of_subject)
    and (with_reason is null or position(lower(with_reason) in lower(h.reason)) > 0)
    and (held_since is null or h.since >= held_since)
$$;

-- Requests that quarantined tasks are retried ('replay', from their subject's first on) or
-- discarded ('drop'; of_state null: quarantined and behind). Returns how many. The roles that their
-- types need are needed here.
create or replace function rollcall.quarantine(
  wish text, id_starts text[], of_job text, of_type text, of_subject text, with_reason text,
  held_since timestamptz, of_state text, on_behalf_of text)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  chosen record;
  states text[] := case
    when of_state is null then array['quarantined', 'behind']
    else array[of_state]
  end;
  n bigint;
begin
  if wish not in ('replay', 'drop') or wish is null then
    raise exception 'replay or drop, not "%"', wish using errcode = 'invalid_parameter_value';
  end if;
  if of_state is not null
     and (
       wish = 'replay' or of_state not in ('quarantined', 'behind', 'retry', 'waiting', 'unknown')
     ) then
    raise exception 'no % of tasks in state "%"', wish, of_state
      using errcode = 'invalid_parameter_value';
  end if;
  for chosen in select distinct t.requires_role, t.name
    from rollcall.held_chosen(id_starts, of_job, of_type, of_subject, with_reason, held_since) h
                join rollcall.task_type t on t.name = h.type where h.state = any(states) loop
    perform rollcall.check_role(chosen.requires_role, chosen.name);
  end loop;
  perform rollcall.file_request(
    wish || ' quarantined', '',
    jsonb_strip_nulls(
      jsonb_build_object(
        'task_ids', to_jsonb(id_starts), 'job', of_job, 'type', of_type, 'subject', of_subject,
        'reason', with_reason, 'since', held_since, 'state', of_state)),
    on_behalf_of);
  if wish = 'replay' then
    update rollcall.held f
    set state = 'replay', tries = 0, due_at = clock_timestamp(),
        requested_by = rollcall.asked_by(on_behalf_of), updated_at = clock_timestamp()
    where f.state = 'quarantined' and exists (
      select from rollcall.held_chosen(
        id_starts, of_job, of_type, of_subject, with_reason, held_since) h
      where h.topic = f.topic and h.subject = f.subject and h.state in ('quarantined', 'behind'));
  else
    update rollcall.held f
    set state = 'drop', due_at = clock_timestamp(), requested_by = rollcall.asked_by(on_behalf_of),
        updated_at = clock_timestamp()
    where f.state = any(states) and f.held_no in (
      select h.held_no
      from rollcall.held_chosen(id_starts, of_job, of_type, of_subject, with_reason, held_since) h);
  end if;
  get diagnostics n = row_count;
  return n;
end $$;
revoke execute on function rollcall.quarantine(
  text, text[], text, text, text, text, timestamptz, text, text)
  from public;

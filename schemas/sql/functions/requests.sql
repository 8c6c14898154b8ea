-- SPDX-License-Identifier: Apache-2.0
-- Checks the limits of a filed row, and notifies the scheduler.
create or replace function rollcall.request_filed() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  bytes bigint;
begin
  new.n_tasks := cardinality(new.task_ids);
  if new.n_tasks is null or new.n_tasks = 0 or new.n_tasks > 10000 then
    raise exception 'a request has 1 to 10000 tasks, this one has %', coalesce(new.n_tasks, 0)
      using errcode = 'program_limit_exceeded';
  end if;
  if new.type_no is null or cardinality(new.subjects) is distinct from new.n_tasks
     or cardinality(new.items) <> new.n_tasks
     or cardinality(new.arguments) <> new.n_tasks
     or array_position(new.task_ids, null) is not null then
    raise exception 'a request of tasks needs their type, and for each task its id, its subject '
      'and, where there are any, its item and arguments'
      using errcode = 'invalid_parameter_value';
  end if;
  select 16 * new.n_tasks + coalesce(sum(octet_length(s)), 0) into bytes
  from unnest(new.subjects || new.items || new.arguments) s;
  if bytes > 4 * 1024 * 1024 then
    raise exception 'a request has at most 4 MiB, this one has % bytes', bytes
      using errcode = 'program_limit_exceeded', hint = 'ask in several requests';
  end if;
  new.large := new.n_tasks > 100 or bytes > 64 * 1024;
  perform pg_notify('rollcall_request', '');
  return new;
end $$;
create or replace trigger request_filed
  before insert on rollcall.request
  for each row
  when (new.kind = 'tasks')
  execute function rollcall.request_filed();

-- Each is a JSON object of texts, within 128 KiB, without what only Rollcall fills in. Many tasks
-- share the same arguments: each is looked at once.
create or replace function rollcall.check_arguments(asked rollcall.task_type, arguments text[])
returns void language plpgsql stable as $$
declare
  one record;
begin
  for one in
    select a, a::jsonb as j
    from (select distinct u as a from unnest(arguments) u) d
    where a is not null
  loop
    if octet_length(one.a) > 1024 * 1024 or jsonb_typeof(one.j) <> 'object'
       or exists (select from jsonb_each(one.j) e where jsonb_typeof(e.value) <> 'string') then
      raise exception 'the arguments of a task are a JSON object of texts, not so "%"',
        left(one.a, 40)
        using errcode = 'invalid_parameter_value';
    end if;
    if 128 * 1024 < (
      select sum(octet_length(key) + octet_length(value)) from jsonb_each_text(one.j)
    ) then
      raise exception 'the arguments of a task have at most 128 KiB'
        using errcode = 'program_limit_exceeded';
    end if;
    if one.j ?| asked.actor_arguments then
      raise exception '%: % is filled in with who asks, and cannot be given', asked.name,
        array_to_string(asked.actor_arguments, ', ')
        using errcode = 'insufficient_privilege';
    end if;
    perform rollcall.check_on_behalf_of(one.j ->> a)
    from unnest(asked.for_others_arguments) a
    where one.j ? a;
  end loop;
exception
  when invalid_text_representation or untranslatable_character then
    raise exception 'the arguments of a task are a JSON object of texts'
      using errcode = 'invalid_parameter_value';
end $$;
revoke execute on function rollcall.check_arguments(rollcall.task_type, text[]) from public;

-- Files a request for up to 10,000 tasks of a type; the scheduler publishes them. `items` and
-- `arguments` may be null; an argument is a JSON object of texts.
create or replace function rollcall.request_tasks(
  type text, dry_run boolean, on_behalf_of text, task_ids uuid[], subjects text[], items text[],
  arguments text[])
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off as $$
#variable_conflict use_variable
declare
  asked rollcall.task_type;
  earlier rollcall.request;
  bad text;
  filed bigint;
begin
  dry_run := coalesce(dry_run, false);
  select * into asked from rollcall.task_type t where t.name = type;
  if not found then
    raise exception 'there is no task type "%"', type
      using errcode = 'undefined_object', hint = 'run: rollcall db apply';
  end if;
  perform rollcall.check_role(asked.requires_role, type);
  perform rollcall.check_on_behalf_of(on_behalf_of);
  select left(s, 40) into bad
  from unnest(subjects) s
  where s is null or octet_length(s) not between 1 and 1000
  limit 1;
  if found then
    raise exception 'a subject has 1 to 1000 bytes, not so "%"', bad
      using errcode = 'invalid_parameter_value';
  end if;
  select left(i, 40) into bad
  from unnest(items) i
  where i is null or octet_length(i) > 1000
  limit 1;
  if found then
    raise exception 'an item has at most 1000 bytes, not so "%"', bad
      using errcode = 'invalid_parameter_value';
  end if;
  if '00000000-0000-0000-0000-000000000000' = any(task_ids) then
    raise exception 'a task needs an id that is not nil' using errcode = 'invalid_parameter_value';
  end if;
  perform rollcall.check_arguments(asked, arguments);
  -- requested before, as a whole: the first task decides. By index only: other rows' arrays are
  -- large.
  for earlier in
    select * from rollcall.request r
    where r.kind = 'tasks' and r.task_ids[1] = task_ids[1]
  loop
    if earlier.type_no = asked.type_no and earlier.dry_run = dry_run and earlier.task_ids = task_ids
       and earlier.subjects = subjects
       and earlier.items is not distinct from items
       and earlier.arguments is not distinct from arguments then
      return earlier.request_no;
    end if;
    raise exception 'task id % was requested before, by request %, with another content',
      task_ids[1], earlier.request_no
      using errcode = 'unique_violation', hint = 'give another id';
  end loop;
  if cardinality(task_ids) <= 100 then -- of more, the worker finds it
    select task_ids[n]::text into bad
    from rollcall.used_for_others(
      task_ids, array_fill(asked.type_no, array[cardinality(task_ids)]),
      array_fill(dry_run, array[cardinality(task_ids)]), subjects, items, arguments) as n
    limit 1;
    if found then
      raise exception 'task id % was used before, for another task', bad
        using errcode = 'unique_violation', hint = 'give another id';
    end if;
  end if;
  insert into rollcall.request (
    kind, actor, on_behalf_of, origin, about, type_no, dry_run, task_ids, subjects, items, arguments
  )
  values (
    'tasks', session_user, nullif(nullif(on_behalf_of, ''), session_user), 'operator', type,
    asked.type_no, dry_run, task_ids, subjects, items, arguments)
  returning request_no into filed;
  return filed;
end $$;
revoke execute on function rollcall.request_tasks(
  text, boolean, text, uuid[], text[], text[], text[])
  from public;

-- Has published requests published again as far as the ledger does not have their tasks. Null: of
-- every type; `elsewhere`: only what went to another cluster.
create or replace function rollcall.republish_requests(of_type smallint, elsewhere text)
returns bigint language plpgsql as $$
declare
  n bigint;
begin
  update rollcall.request r set published_at = null, again = true
  where r.kind = 'tasks' and r.settled_at is null and r.published_at is not null
    and (of_type is null or r.type_no = of_type)
    and (elsewhere is null or r.cluster < elsewhere or r.cluster > elsewhere);
  get diagnostics n = row_count;
  if n > 0 then
    perform pg_notify('rollcall_request', '');
  end if;
  return n;
end $$;
revoke execute on function rollcall.republish_requests(smallint, text) from public;

-- Who requested what. Everything that is not a run's own task is requested here: by operators through
-- the functions below, by services on their intake topics, by Rollcall itself for what follows from a
-- task or a run. The scheduler publishes the tasks.

-- Rights that the configuration gives to database roles by name (`rollcall db apply` writes them).
create table rollcall.authority (
  right_name text not null check (right_name in ('act_for_others')),
  role_name  text not null,
  primary key (right_name, role_name)
);

-- One row per request; a request for many tasks has up to 10,000 of them in a row.
create table rollcall.request (
  request_no   bigint generated always as identity primary key,
  kind         text not null,               -- 'tasks', 'run', 'cancel run', …: what was requested
  actor        text not null,               -- who asked: the database session's user, or the service whose intake topic it came from
  on_behalf_of text,                        -- for whom, where the actor may act for others
  origin       text not null check (origin in ('operator', 'service', 'rollcall')),
  about        text not null default '',    -- the run, job or task type that it is about
  detail       jsonb not null default '{}',
  -- kind 'tasks'
  type_no      smallint,
  dry_run      boolean not null default false,
  task_ids     uuid[],
  subjects     text[],
  items        text[],                      -- null: all ''
  arguments    text[],                      -- each a JSON object of texts; null: none
  n_tasks      integer not null default 0,  -- set by a trigger, like the next
  large        boolean not null default false, -- published after the small ones, on a lane that is not urgent
  again        boolean not null default false, -- published again: only tasks that the ledger does not have
  cluster      text,                        -- the Kafka cluster that its tasks were published to
  requested_at timestamptz not null default clock_timestamp(),
  published_at timestamptz,                 -- every task of it is acknowledged by Kafka; other kinds: at once
  settled_at   timestamptz                  -- every task of it has an outcome: it is never published again
);
create index request_unpublished on rollcall.request (large, request_no) where published_at is null;
create index request_unsettled on rollcall.request (request_no) where kind = 'tasks' and settled_at is null and published_at is not null;
create index request_unsettled_cluster on rollcall.request (cluster) where kind = 'tasks' and settled_at is null and published_at is not null;

create index request_first_task on rollcall.request ((task_ids[1])) where kind = 'tasks';

-- Checks the limits of a filed row, and notifies the scheduler.
create function rollcall.request_filed() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  bytes bigint;
begin
  new.n_tasks := cardinality(new.task_ids);
  if new.n_tasks is null or new.n_tasks = 0 or new.n_tasks > 10000 then
    raise exception 'a request has 1 to 10000 tasks, this one has %', coalesce(new.n_tasks, 0) using errcode = 'program_limit_exceeded';
  end if;
  if new.type_no is null or cardinality(new.subjects) is distinct from new.n_tasks or cardinality(new.items) <> new.n_tasks
     or cardinality(new.arguments) <> new.n_tasks or array_position(new.task_ids, null) is not null then
    raise exception 'a request of tasks needs their type, and for each task its id, its subject and, where there are any, its item and arguments'
      using errcode = 'invalid_parameter_value';
  end if;
  select 16 * new.n_tasks + coalesce(sum(octet_length(s)), 0) into bytes from unnest(new.subjects || new.items || new.arguments) s;
  if bytes > 4 * 1024 * 1024 then
    raise exception 'a request has at most 4 MiB, this one has % bytes', bytes using errcode = 'program_limit_exceeded', hint = 'ask in several requests';
  end if;
  new.large := new.n_tasks > 100 or bytes > 64 * 1024;
  perform pg_notify('rollcall_request', '');
  return new;
end $$;
create trigger request_filed before insert on rollcall.request for each row when (new.kind = 'tasks') execute function rollcall.request_filed();

-- What pack.cfg says of a type, for the functions below (`rollcall db apply` writes it).
alter table rollcall.task_type
  add requires_role   text,                       -- operators need to be a member of it
  add actor_arguments text[] not null default '{}', -- filled in by Rollcall with who asked: nobody can give them
  add for_others_arguments text[] not null default '{}'; -- the same, but given by who may act for others
alter table rollcall.job add requires_roles text[] not null default '{}'; -- of its types

-- May the session's user act for somebody else?
create function rollcall.may_act_for_others() returns boolean language sql stable as $$
  select exists (select from rollcall.authority a join pg_roles r on r.rolname = a.role_name
                 where a.right_name = 'act_for_others' and pg_has_role(session_user, r.oid, 'member'))
$$;

create function rollcall.check_on_behalf_of(on_behalf_of text) returns void language plpgsql stable as $$
begin
  if nullif(on_behalf_of, '') is not null and on_behalf_of <> session_user and not rollcall.may_act_for_others() then
    raise exception '% may not act for others', session_user
      using errcode = 'insufficient_privilege', hint = 'name a role of this user in security.act_for_others, then run: rollcall db apply';
  end if;
end $$;

-- Who asks, as it is shown to people: "carla", or "carla for ana".
create function rollcall.asked_by(on_behalf_of text) returns text language sql stable as $$
  select session_user || coalesce(' for ' || nullif(nullif(on_behalf_of, ''), session_user::text), '')
$$;

-- Is the session's user a member of that role? `what` needs it. Null: nothing is needed.
create function rollcall.check_role(requires_role text, what text) returns void language plpgsql stable as $$
begin
  if requires_role is null then
    return;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = requires_role) then
    raise exception '% needs the role "%", which this database does not have', what, requires_role
      using errcode = 'insufficient_privilege', hint = 'create the role and grant it to those who may do this';
  end if;
  if not pg_catalog.pg_has_role(session_user, requires_role, 'member') then
    raise exception '% needs the role "%", which % is not a member of', what, requires_role, session_user using errcode = 'insufficient_privilege';
  end if;
end $$;

-- What a job's types need, its run needs.
create function rollcall.check_job_roles(of_pack text, of_job text) returns void language plpgsql stable as $$
declare
  needed text;
begin
  for needed in select unnest(requires_roles) from rollcall.job where pack = of_pack and job = of_job loop
    perform rollcall.check_role(needed, of_pack || '.' || of_job);
  end loop;
end $$;

-- Records who requests what: every function that carries an operator's request calls it first. Callers
-- are SECURITY DEFINER; session_user is still who logged in.
create function rollcall.file_request(kind text, about text, detail jsonb, on_behalf_of text) returns bigint language plpgsql as $$
#variable_conflict use_variable
declare
  filed bigint;
begin
  perform rollcall.check_on_behalf_of(on_behalf_of);
  insert into rollcall.request (kind, actor, on_behalf_of, origin, about, detail, published_at)
  values (kind, session_user, nullif(on_behalf_of, ''), 'operator', about, coalesce(detail, '{}'), clock_timestamp())
  returning request_no into filed;
  return filed;
end $$;
revoke execute on function rollcall.file_request(text, text, jsonb, text) from public;

-- ---- what a type's statement may answer ------------------------------------------------------------------------------------------------

-- Ends a statement whose `effect` has a value that it must not have, before anything of it is committed. Called by the composed statement only for such a row.
create function rollcall.refuse_effect(state text, file text, of_column text, value text, expected text) returns integer language plpgsql as $$
begin
  raise exception '%: effect.% is %, expected %', file, of_column, coalesce(quote_literal(left(value, 200)), 'NULL'), expected
    using errcode = state;
end $$;


-- ---- tasks that operators request ---------------------------------------------------------------------------------------------------

-- Files a request for up to 10,000 tasks of a type; the scheduler publishes them. `items` and `arguments` may be null; an argument is a JSON object of texts.
create function rollcall.request_tasks(type text, dry_run boolean, on_behalf_of text, task_ids uuid[], subjects text[], items text[], arguments text[])
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
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
    raise exception 'there is no task type "%"', type using errcode = 'undefined_object', hint = 'run: rollcall db apply';
  end if;
  perform rollcall.check_role(asked.requires_role, type);
  perform rollcall.check_on_behalf_of(on_behalf_of);
  select left(s, 40) into bad from unnest(subjects) s where s is null or octet_length(s) not between 1 and 1000 limit 1;
  if found then
    raise exception 'a subject has 1 to 1000 bytes, not so "%"', bad using errcode = 'invalid_parameter_value';
  end if;
  select left(i, 40) into bad from unnest(items) i where i is null or octet_length(i) > 1000 limit 1;
  if found then
    raise exception 'an item has at most 1000 bytes, not so "%"', bad using errcode = 'invalid_parameter_value';
  end if;
  if '00000000-0000-0000-0000-000000000000' = any(task_ids) then
    raise exception 'a task needs an id that is not nil' using errcode = 'invalid_parameter_value';
  end if;
  perform rollcall.check_arguments(asked, arguments);
  -- requested before, as a whole: the first task decides. By index only: other rows' arrays are large.
  for earlier in select * from rollcall.request r where r.kind = 'tasks' and r.task_ids[1] = task_ids[1] loop
    if earlier.type_no = asked.type_no and earlier.dry_run = dry_run and earlier.task_ids = task_ids and earlier.subjects = subjects
       and earlier.items is not distinct from items and earlier.arguments is not distinct from arguments then
      return earlier.request_no;
    end if;
    raise exception 'task id % was requested before, by request %, with another content', task_ids[1], earlier.request_no
      using errcode = 'unique_violation', hint = 'give another id';
  end loop;
  if cardinality(task_ids) <= 100 then -- of more, the worker finds it
    select task_ids[n]::text into bad from rollcall.used_for_others(task_ids, array_fill(asked.type_no, array[cardinality(task_ids)]),
      array_fill(dry_run, array[cardinality(task_ids)]), subjects, items, arguments) as n limit 1;
    if found then
      raise exception 'task id % was used before, for another task', bad using errcode = 'unique_violation', hint = 'give another id';
    end if;
  end if;
  insert into rollcall.request (kind, actor, on_behalf_of, origin, about, type_no, dry_run, task_ids, subjects, items, arguments)
  values ('tasks', session_user, nullif(nullif(on_behalf_of, ''), session_user), 'operator', type, asked.type_no, dry_run, task_ids,
          subjects, items, arguments)
  returning request_no into filed;
  return filed;
end $$;

-- Each is a JSON object of texts, within 128 KiB, without what only Rollcall fills in. Many tasks share the same arguments: each is looked at once.
create function rollcall.check_arguments(asked rollcall.task_type, arguments text[]) returns void language plpgsql stable as $$
declare
  one record;
begin
  for one in select a, a::jsonb as j from (select distinct u as a from unnest(arguments) u) d where a is not null loop
    if octet_length(one.a) > 1024 * 1024 or jsonb_typeof(one.j) <> 'object' or exists (select from jsonb_each(one.j) e where jsonb_typeof(e.value) <> 'string') then
      raise exception 'the arguments of a task are a JSON object of texts, not so "%"', left(one.a, 40) using errcode = 'invalid_parameter_value';
    end if;
    if (select sum(octet_length(key) + octet_length(value)) from jsonb_each_text(one.j)) > 128 * 1024 then
      raise exception 'the arguments of a task have at most 128 KiB' using errcode = 'program_limit_exceeded';
    end if;
    if one.j ?| asked.actor_arguments then
      raise exception '%: % is filled in with who asks, and cannot be given', asked.name, array_to_string(asked.actor_arguments, ', ')
        using errcode = 'insufficient_privilege';
    end if;
    perform rollcall.check_on_behalf_of(one.j ->> a) from unnest(asked.for_others_arguments) a where one.j ? a;
  end loop;
exception
  when invalid_text_representation or untranslatable_character then
    raise exception 'the arguments of a task are a JSON object of texts' using errcode = 'invalid_parameter_value';
end $$;
revoke execute on function rollcall.check_arguments(rollcall.task_type, text[]) from public;
revoke execute on function rollcall.request_tasks(text, boolean, text, uuid[], text[], text[], text[]) from public;

-- Has an open run published again as far as the ledger does not have its tasks. No row: it is not planned or published.
create function rollcall.republish_run(which uuid, on_behalf_of text) returns table (chunks integer) language plpgsql
security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform rollcall.file_request('republish run', which::text, '{}', on_behalf_of);
  return query
  update rollcall.run r set chunks_published = 0, again = true, state = 'planned', published_at = null
  where r.run_id = which and r.state in ('planned', 'published') returning r.chunks;
  if not found then
    raise exception 'only a run that is planned or published, and not closed, is published again' using errcode = 'object_not_in_prerequisite_state';
  end if;
  perform pg_notify('rollcall_run', '');
end $$;
revoke execute on function rollcall.republish_run(uuid, text) from public;

-- `rollcall topics repair`: repairs a position that is not in its topic. False: another owner has it
-- meanwhile.
create function rollcall.request_repair(of_source integer, at_epoch bigint, anew boolean, low bigint, high bigint, on_behalf_of text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform rollcall.file_request('repair position', of_source::text, jsonb_build_object('anew', anew, 'low', low, 'high', high), on_behalf_of);
  return rollcall.repair_position(of_source, at_epoch, anew, low, high, rollcall.asked_by(on_behalf_of));
end $$;
revoke execute on function rollcall.request_repair(integer, bigint, boolean, bigint, bigint, text) from public;

-- Parked tasks, chosen as `rollcall quarantine` does; null is any. `id_starts`: beginnings of task ids.
create function rollcall.held_chosen(id_starts text[], of_job text, of_type text, of_subject text, with_reason text, held_since timestamptz)
returns setof rollcall.held_named language sql stable as $$
  select h.* from rollcall.held_named h
  where (id_starts is null or exists (select from unnest(id_starts) i where h.task_id::text like i || '%'))
    and (of_job is null or of_job in (h.job, h.pack || '.' || h.job))
    and (of_type is null or h.type = of_type or h.type like '%.' || of_type)
    and (of_subject is null or h.subject = of_subject)
    and (with_reason is null or position(lower(with_reason) in lower(h.reason)) > 0)
    and (held_since is null or h.since >= held_since)
$$;

-- Requests that quarantined tasks are retried ('replay', from their subject's first on) or discarded
-- ('drop'; of_state null: quarantined and behind). Returns how many. The roles that their types need are
-- needed here.
create function rollcall.quarantine(wish text, id_starts text[], of_job text, of_type text, of_subject text, with_reason text, held_since timestamptz,
                                    of_state text, on_behalf_of text)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  chosen record;
  states text[] := case when of_state is null then array['quarantined', 'behind'] else array[of_state] end;
  n bigint;
begin
  if wish not in ('replay', 'drop') or wish is null then
    raise exception 'replay or drop, not "%"', wish using errcode = 'invalid_parameter_value';
  end if;
  if of_state is not null and (wish = 'replay' or of_state not in ('quarantined', 'behind', 'retry', 'waiting', 'unknown')) then
    raise exception 'no % of tasks in state "%"', wish, of_state using errcode = 'invalid_parameter_value';
  end if;
  for chosen in select distinct t.requires_role, t.name from rollcall.held_chosen(id_starts, of_job, of_type, of_subject, with_reason, held_since) h
                join rollcall.task_type t on t.name = h.type where h.state = any(states) loop
    perform rollcall.check_role(chosen.requires_role, chosen.name);
  end loop;
  perform rollcall.file_request(wish || ' quarantined', '', jsonb_strip_nulls(jsonb_build_object('task_ids', to_jsonb(id_starts), 'job', of_job, 'type', of_type,
    'subject', of_subject, 'reason', with_reason, 'since', held_since, 'state', of_state)), on_behalf_of);
  if wish = 'replay' then
    update rollcall.held f set state = 'replay', tries = 0, due_at = clock_timestamp(), requested_by = rollcall.asked_by(on_behalf_of), updated_at = clock_timestamp()
    where f.state = 'quarantined' and exists (
      select from rollcall.held_chosen(id_starts, of_job, of_type, of_subject, with_reason, held_since) h
      where h.topic = f.topic and h.subject = f.subject and h.state in ('quarantined', 'behind'));
  else
    update rollcall.held f set state = 'drop', due_at = clock_timestamp(), requested_by = rollcall.asked_by(on_behalf_of), updated_at = clock_timestamp()
    where f.state = any(states) and f.held_no in (
      select h.held_no from rollcall.held_chosen(id_starts, of_job, of_type, of_subject, with_reason, held_since) h);
  end if;
  get diagnostics n = row_count;
  return n;
end $$;
revoke execute on function rollcall.quarantine(text, text[], text, text, text, text, timestamptz, text, text) from public;

-- Has published requests published again as far as the ledger does not have their tasks. Null: of every type; `elsewhere`: only what went to another cluster.
create function rollcall.republish_requests(of_type smallint, elsewhere text) returns bigint language plpgsql as $$
declare
  n bigint;
begin
  update rollcall.request r set published_at = null, again = true
  where r.kind = 'tasks' and r.settled_at is null and r.published_at is not null and (of_type is null or r.type_no = of_type)
    and (elsewhere is null or r.cluster < elsewhere or r.cluster > elsewhere);
  get diagnostics n = row_count;
  if n > 0 then
    perform pg_notify('rollcall_request', '');
  end if;
  return n;
end $$;
revoke execute on function rollcall.republish_requests(smallint, text) from public;

-- ---- which tasks of a batch have an outcome -------------------------------------------------------------------------------------------
-- See add_known in common/ledger/compose.c. A sub-select for each task, which the planner cannot turn into
-- a join: it is looked up by the whole key, whatever the statistics say. The tables grow faster than they
-- are analysed, and a batch that is rolled back leaves its rows in the index for the next try to read.

create function rollcall.known_by_id(ids uuid[]) returns setof bigint language sql stable rows 200
set enable_seqscan = off set enable_bitmapscan = off as $$
  select u.n from unnest(ids) with ordinality as u(id, n)
  where (select true from rollcall.outcome_adhoc o where o.task_id = u.id limit 1)
$$;

-- Ad-hoc tasks whose id the ledger has for another task: of another type, subject, item, arguments, or only
-- one of the two a dry run.
create function rollcall.used_for_others(ids uuid[], type_nos smallint[], dry_runs boolean[], subjects text[], items text[], arguments text[])
returns setof bigint language sql stable rows 1 set enable_seqscan = off set enable_bitmapscan = off as $$
  select u.n from unnest(ids, type_nos, dry_runs, subjects, items, arguments) with ordinality as u(id, type_no, dry_run, subject, item, argument, n)
  where (select o.type_no <> u.type_no or o.dry_run <> u.dry_run or o.subject <> u.subject or o.item <> coalesce(u.item, '')
                or coalesce(o.arguments, '{}') <> coalesce(u.argument::jsonb, '{}')
         from rollcall.outcome_adhoc o where o.task_id = u.id limit 1)
$$;

create function rollcall.known_of_run(of_day date, of_run bigint, of_type smallint, subjects text[], items text[])
returns setof bigint language sql stable rows 200 set enable_seqscan = off set enable_bitmapscan = off as $$
  select u.n from unnest(subjects, items) with ordinality as u(subject, item, n)
  where (select true from rollcall.outcome o where o.day = of_day and o.run_no = of_run and o.type_no = of_type
           and octet_length(o.subject) = octet_length(u.subject) and o.subject = u.subject
           and o.item = coalesce(u.item, '') limit 1)
$$;

-- One row, of which the planner expects twenty.
create function rollcall.as_many() returns setof boolean language plpgsql stable rows 20 as $$
begin
  return next true;
end $$;

-- ---- what dry runs touched ----------------------------------------------------------------------------------------------------------
-- Rows that the statements of a run's dry tasks really changed, triggers and cascades included, as PostgreSQL counts them: one row per batch and table. A statement
-- that changes more than its tasks are about shows here.
create table rollcall.touched (
  run_no   bigint not null references rollcall.run on delete cascade,
  type_no  smallint not null,
  relation text not null,
  inserted bigint not null,
  updated  bigint not null,
  deleted  bigint not null
);
create index touched_of_run on rollcall.touched (run_no);

-- What this transaction has changed until now, what is rolled back included. Rollcall's own tables are left out.
create function rollcall.touched_now() returns jsonb language sql volatile as $$
  select coalesce(jsonb_object_agg(schemaname || '.' || relname, jsonb_build_array(n_tup_ins, n_tup_upd, n_tup_del)), '{}')
  from pg_stat_xact_user_tables where schemaname <> 'rollcall' and n_tup_ins + n_tup_upd + n_tup_del > 0
$$;

-- Notes what has been changed since `rollcall.touched` was set to touched_now().
create function rollcall.note_touched(of_run bigint, of_type smallint) returns void language sql volatile as $$
  insert into rollcall.touched (run_no, type_no, relation, inserted, updated, deleted)
  select of_run, of_type, n.key, (n.value->>0)::bigint - coalesce((b.value->>0)::bigint, 0), (n.value->>1)::bigint - coalesce((b.value->>1)::bigint, 0),
         (n.value->>2)::bigint - coalesce((b.value->>2)::bigint, 0)
  from jsonb_each(rollcall.touched_now()) n left join jsonb_each(current_setting('rollcall.touched')::jsonb) b on b.key = n.key
  where n.value is distinct from b.value
$$;

-- ---- how a run stands and ends ------------------------------------------------------------------------------------------------------

alter table rollcall.run drop constraint run_state_check;
update rollcall.run r set state = case
    when r.state = 'finished' and p.unknown = 0 then 'succeeded'
    when r.state = 'finished' or p.failed + p.quarantined > 0 then 'completed with errors' else r.state end
from rollcall.run_progress p
where p.run_no = r.run_no and (r.state = 'finished' or (r.state = 'failed' and r.published_at is not null and p.done = p.planned and p.digest_matches));
alter table rollcall.run add constraint run_state_check check (state in (
  'requested', 'planned', 'held for review', 'published',                        -- open
  'succeeded',
  'completed with errors',                                                       -- some subjects failed, are quarantined, or their outcome is unknown
  'failed',                                                                      -- the run itself could not do its work
  'cancelled', 'refused'));

-- Something is still to be done for it, or to be decided. In C: run_state_open.
create function rollcall.run_is_open(state text) returns boolean language sql immutable parallel safe
  return state in ('requested', 'planned', 'held for review', 'published');
drop index rollcall.run_open;
create index run_open on rollcall.run (run_no) where rollcall.run_is_open(state);

-- Stops an open run. Its tasks that are published already are skipped by the workers, the others are never published. False: it is not open, or unknown.
create function rollcall.cancel_run(which uuid, why text, on_behalf_of text) returns boolean language plpgsql
security definer set search_path = pg_catalog, pg_temp as $$
begin
  update rollcall.run set state = 'cancelled', closed_at = clock_timestamp(),
    reason = 'by ' || rollcall.asked_by(on_behalf_of) || coalesce(': ' || nullif(why, ''), '')
  where run_id = which and rollcall.run_is_open(state);
  if not found then
    return false;
  end if;
  perform rollcall.file_request('cancel run', which::text, jsonb_build_object('reason', coalesce(why, '')), on_behalf_of);
  perform pg_notify('rollcall_run', '');
  return true;
end $$;
revoke execute on function rollcall.cancel_run(uuid, text, text) from public;

-- ---- guards: a mistyped command does not destroy ---------------------------------------------------------------------------------------

alter table rollcall.run
  add column requested_for    text,         -- on whose behalf; the actor is requested_by
  add column kept_settings    jsonb,        -- all of them, as they were when it was planned: what the workers use
  add column statements       jsonb,        -- of each task type that may belong to it the version that it was planned with
  add column expect           jsonb,        -- how many tasks of each type were shown and confirmed: {"pack.type": "12"}; null: nobody was asked
  add column population       bigint,       -- of the job's population statement, when it was planned
  add column held_at          timestamptz,  -- planned, but not published without a review
  add column held_notified_at timestamptz,  -- the administrator has been notified
  add column released_at      timestamptz,
  add column released_by      text;

create index run_held on rollcall.run (run_no) where state = 'held for review';

-- Settings that a run cannot change; `rollcall db apply` writes them from the packs.
create table rollcall.locked_setting (
  pack text not null,
  name text not null,
  primary key (pack, name)
);

-- Requests a run by hand. False: that run (same job, same instant) exists already. What the tool and the scheduler refuse is refused here, too.
create function rollcall.request_run(run_id uuid, pack text, job text, scheduled_at timestamptz, settings jsonb, dry_run boolean, force boolean,
                                     expect jsonb, on_behalf_of text)
returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  locked text;
begin
  select l.name into locked from rollcall.locked_setting l where l.pack = pack and settings ? l.name order by 1 limit 1;
  if found then
    raise exception 'the setting "%" is locked', locked
      using errcode = 'check_violation', hint = 'only the service''s configuration can change it';
  end if;
  perform rollcall.check_job_roles(pack, job);
  if not dry_run and scheduled_at > clock_timestamp() then
    raise exception 'the instant % is later than the database''s clock', scheduled_at
      using errcode = 'check_violation', hint = 'only a dry run may have an instant in the future';
  end if;
  insert into rollcall.run as r (run_id, pack, job, scheduled_at, day, cause, requested_by, requested_for, settings, dry_run, force, expect)
  values (run_id, pack, job, scheduled_at, (scheduled_at at time zone 'UTC')::date, 'manual', session_user,
          nullif(nullif(on_behalf_of, ''), session_user), coalesce(settings, '{}'), dry_run, force, expect)
  on conflict on constraint run_run_id_key do nothing;
  if not found then
    return false;
  end if;
  perform rollcall.file_request('run', run_id::text,
    jsonb_build_object('job', pack || '.' || job, 'scheduled_at', scheduled_at, 'settings', settings, 'dry_run', dry_run, 'force', force,
                       'expect', expect), on_behalf_of);
  perform pg_notify('rollcall_run', '');
  return true;
end $$;
revoke execute on function rollcall.request_run(uuid, text, text, timestamptz, jsonb, boolean, boolean, jsonb, text) from public;

-- Publishes a run that was held for review as it was planned; its time limit runs from here. False: it
-- is not held.
create function rollcall.release_run(run_id uuid, on_behalf_of text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  held rollcall.run;
begin
  select * into held from rollcall.run r where r.run_id = run_id and r.state = 'held for review' for no key update;
  if not found then
    return false;
  end if;
  perform rollcall.check_job_roles(held.pack, held.job);
  perform rollcall.file_request('release run', run_id::text,
    jsonb_build_object('job', held.pack || '.' || held.job, 'planned', held.planned, 'held_because', held.reason), on_behalf_of);
  update rollcall.run r
  set state = 'planned', reason = '', released_at = clock_timestamp(), released_by = rollcall.asked_by(on_behalf_of),
      deadline_at = held.deadline_at + (clock_timestamp() - held.held_at)
  where r.run_no = held.run_no;
  perform pg_notify('rollcall_run', '');
  return true;
end $$;
revoke execute on function rollcall.release_run(uuid, text) from public;

-- A job's schedule is suspended by its own name, or with all others: `jobs resume --all` leaves alone what was suspended by its own name.
alter table rollcall.job
  add column suspended_reason   text,
  add column suspended_with_all boolean not null default false;

-- `jobs`: "pack.job". Gives those that are suspended now. With all: what is suspended already stays as it is.
create function rollcall.suspend_jobs(jobs text[], with_all boolean, reason text, on_behalf_of text) returns table (job text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
  perform rollcall.file_request('suspend jobs', case when with_all then 'all' else array_to_string(jobs, ' ') end,
    jsonb_build_object('jobs', to_jsonb(jobs), 'reason', reason), on_behalf_of);
  perform pg_notify('rollcall_run', '');
  update rollcall.job j
  set suspended = true, suspended_by = rollcall.asked_by(on_behalf_of), suspended_at = clock_timestamp(), suspended_reason = reason,
      suspended_with_all = with_all
  where j.pack || '.' || j.job = any(jobs) and not (with_all and j.suspended);
  return query select j.pack || '.' || j.job from rollcall.job j where j.pack || '.' || j.job = any(jobs) and j.suspended;
end $$;
revoke execute on function rollcall.suspend_jobs(text[], boolean, text, text) from public;

-- Gives those that were suspended and are not any more.
create function rollcall.resume_jobs(jobs text[], with_all boolean, on_behalf_of text) returns table (job text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
  perform rollcall.file_request('resume jobs', case when with_all then 'all' else array_to_string(jobs, ' ') end,
    jsonb_build_object('jobs', to_jsonb(jobs)), on_behalf_of);
  perform pg_notify('rollcall_run', '');
  return query
  update rollcall.job j
  set suspended = false, suspended_by = null, suspended_at = null, suspended_reason = null, suspended_with_all = false
  where j.pack || '.' || j.job = any(jobs) and j.suspended and (j.suspended_with_all or not with_all)
  returning j.pack || '.' || j.job;
end $$;
revoke execute on function rollcall.resume_jobs(text[], boolean, text) from public;

-- ---- bounds -------------------------------------------------------------------------------------------------------------------------

-- Every statement of a task type asks it about its result, which a worker must hold in memory: true, or an error that a worker answers with a smaller batch.
create function rollcall.bounded_result(bytes numeric, most bigint) returns boolean language plpgsql immutable as $$
begin
  if bytes > most then
    raise exception 'the result is % bytes, more than %', bytes, most using errcode = 'RC001';
  end if;
  return true;
end $$;

-- Tasks of types that a run can come to by two ways: as a follow-up of two types, or of one and by the plan. Whoever writes the row is who counts the task.
create table rollcall.shared_follow_up (
  run_no  bigint not null references rollcall.run on delete cascade,
  type_no smallint not null,
  subject text collate "C" not null,
  item    text collate "C" not null,
  primary key (run_no, type_no, subject, item)
);

-- ---- which programs there are -------------------------------------------------------------------------------------------------------

-- One service a database, since lease, jobs and positions are the service's: the prefix of its topics. `rollcall db apply` writes it.
create table rollcall.service (
  one    boolean primary key default true check (one),
  prefix text not null
);

-- What runs, and each of its threads that has a session of its own: written every few seconds, and deleted at the end.
create table rollcall.process (
  name        text primary key,         -- "rollcall-worker HOST/PID LANE#N"
  program     text not null,
  host        text not null,
  pid         integer not null,
  version     text not null,
  lane        text,                     -- of a worker's thread
  partitions  integer[] not null default '{}',
  leads       boolean not null default false, -- the scheduler that leads
  backend_pid integer not null,         -- its session with PostgreSQL
  waits_for   text,                     -- an error that it meets again and again
  refused_reload text,                  -- why it did not take the last configuration that it was given; the one before stays in force
  refused_at  timestamptz,
  started_at  timestamptz not null default clock_timestamp(),
  seen_at     timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

-- Alive is who was seen within half a minute, or sits in a long statement: its session is still there.
create view rollcall.process_now as
select p.*, p.seen_at > clock_timestamp() - interval '30 s'
            or (p.seen_at > clock_timestamp() - interval '10 min'
                and exists (select from pg_stat_activity a where a.pid = p.backend_pid and a.application_name like 'rollcall-%')) as alive
from rollcall.process p;

-- ---- task types that are paused ------------------------------------------------------------------------------------------------------

-- A type whose statement fails whatever it is given. Workers pass over its tasks: no outcome, no row. When it is resumed the scheduler publishes again what
-- open runs and requests of that type still owe. The row stays after that: a type that is paused again soon is retried less and less often.
create table rollcall.paused_type (
  type_no            smallint primary key,
  since              timestamptz not null default clock_timestamp(),
  reason             text not null,
  sqlstate           text not null default '',
  by_whom            text not null,               -- the worker that met it
  samples            bytea[] not null default '{}', -- messages of tasks that failed, when the statement does not fail without any task
  tries              integer not null default 0,  -- by itself
  tried_at           timestamptz,
  next_try_at        timestamptz not null,
  resumed_at         timestamptz,                 -- null: paused
  resumed_by         text,
  published_again_at timestamptz
);

create view rollcall.paused_type_named as
select t.name as type, z.type_no, z.since, z.reason, z.sqlstate, z.by_whom, z.tries, z.tried_at, z.next_try_at
from rollcall.paused_type z join rollcall.task_type t using (type_no) where z.resumed_at is null;

alter table rollcall.held drop constraint held_state_check;
alter table rollcall.held add constraint held_state_check check (state in (
  'retry', 'quarantined', 'waiting', 'behind', 'replay', 'drop',
  'unknown',                             -- its type, or an argument, is not known to the worker: it waits for one that knows it, until due_at
  'record'));                            -- done, but its type's record failed: it is recorded alone at due_at; null: not any more

-- When the task was tried alone, its row was locked by another session: it is retried after the
-- others, so that they do not wait for the same lock.
alter table rollcall.held add column locked boolean not null default false;

-- The wait before the next try: from base, doubling, up to max.
create function rollcall.pause_wait(tries integer, base_ms bigint, max_ms bigint) returns interval language sql immutable return
  least(max_ms, base_ms * 2 ^ least(tries, 30)) * interval '1 millisecond';

-- False: it was paused already. Tasks of a paused type do not block later tasks of other types.
create function rollcall.pause_type(of_type smallint, why text, code text, by_worker text, failed bytea[], base_ms bigint, max_ms bigint) returns boolean
language plpgsql as $$
begin
  insert into rollcall.paused_type as z (type_no, reason, sqlstate, by_whom, samples, next_try_at)
  values (of_type, why, code, by_worker, failed, clock_timestamp() + rollcall.pause_wait(0, base_ms, max_ms))
  on conflict (type_no) do update set since = excluded.since, reason = excluded.reason, sqlstate = excluded.sqlstate, by_whom = excluded.by_whom,
    samples = excluded.samples, resumed_at = null, resumed_by = null, published_again_at = null, tried_at = null,
    tries = case when z.resumed_at > clock_timestamp() - interval '1 hour' then z.tries else 0 end,
    next_try_at = clock_timestamp() + rollcall.pause_wait(case when z.resumed_at > clock_timestamp() - interval '1 hour' then z.tries else 0 end, base_ms, max_ms)
  where z.resumed_at is not null;
  if not found then
    return false;
  end if;
  update rollcall.held h set due_at = now()
  where h.due_at is null and h.state = 'waiting' and exists (
    select from rollcall.held f where f.topic = h.topic and f.subject = h.subject and f.held_no < h.held_no and f.type_no = of_type);
  return true;
end $$;

-- A task that was done while the type was paused did not unblock those that it blocked: that happens
-- when the type resumes. Who is not first of its subject stays blocked.
create function rollcall.wake_resumed() returns trigger language plpgsql as $$
begin
  update rollcall.held set due_at = clock_timestamp() where type_no = new.type_no and state = 'waiting' and due_at is null;
  return null;
end $$;
create trigger wake_resumed after update of resumed_at on rollcall.paused_type for each row
when (old.resumed_at is null and new.resumed_at is not null) execute function rollcall.wake_resumed();

-- Has the type's tasks done again. False: it is not paused.
create function rollcall.resume_type(of_type text, on_behalf_of text) returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
  update rollcall.paused_type set resumed_at = clock_timestamp(), resumed_by = rollcall.asked_by(on_behalf_of), tries = 0
  where resumed_at is null and type_no = (select t.type_no from rollcall.task_type t where t.name = of_type);
  if not found then
    return false;
  end if;
  perform rollcall.file_request('resume type', of_type, '{}', on_behalf_of);
  perform pg_notify('rollcall_run', '');
  return true;
end $$;
revoke execute on function rollcall.resume_type(text, text) from public;

-- ---- what services request, on their intake topics ---------------------------------------------------------------------------------

alter table rollcall.request add column uncounted_at timestamptz; -- of a service: it no longer counts as open
create index request_counted on rollcall.request (actor, request_no) where origin = 'service' and uncounted_at is null;

-- How much each service may request: a bucket that fills at its rate, whoever takes from it.
create table rollcall.intake (
  service   text primary key,
  tokens    double precision not null,
  open      bigint not null,             -- at most so many of its tasks have no outcome; counted again when that is too many
  filled_at timestamptz not null
);

-- Counts a service's tasks without an outcome. Dry runs do not count, and a task that has waited for a day no longer does: it is somebody's to look at.
create function rollcall.intake_count(of_service text) returns bigint language plpgsql as $$
begin
  update rollcall.request r set uncounted_at = clock_timestamp()
  where r.origin = 'service' and r.actor = of_service and r.uncounted_at is null and r.published_at is not null
    and (r.dry_run or r.requested_at < clock_timestamp() - interval '1 day'
         or not exists (select from unnest(r.task_ids) as id
                        where not exists (select from rollcall.outcome_adhoc o where o.task_id = id and o.outcome >= 0)));
  return (select coalesce(sum((select count(*) from unnest(r.task_ids) as id
                               where not exists (select from rollcall.outcome_adhoc o where o.task_id = id and o.outcome >= 0))), 0)
          from rollcall.request r
          where r.origin = 'service' and r.actor = of_service and r.uncounted_at is null and not r.dry_run
            and r.requested_at >= clock_timestamp() - interval '1 day');
end $$;

-- How many of the wanted tasks of each service may be taken now, and when to ask again for the rest. Taking fewer than granted is harmless.
create function rollcall.intake_grant(services text[], wanted bigint[], rates bigint[], bursts bigint[], open_maxima bigint[])
returns table (granted bigint, wait_ms bigint) language plpgsql as $$
declare
  b rollcall.intake;
  room bigint;
begin
  for i in 1 .. coalesce(cardinality(services), 0) loop
    insert into rollcall.intake values (services[i], bursts[i], open_maxima[i], clock_timestamp()) on conflict do nothing;
    select * into b from rollcall.intake where service = services[i] for update;
    b.tokens := least(bursts[i], b.tokens + greatest(extract(epoch from clock_timestamp() - b.filled_at), 0) * rates[i]);
    if b.open + wanted[i] > open_maxima[i] then
      b.open := rollcall.intake_count(services[i]);
    end if;
    room := greatest(open_maxima[i] - b.open, 0);
    granted := least(wanted[i], floor(b.tokens)::bigint, room);
    b.tokens := b.tokens - granted;
    wait_ms := case when granted = wanted[i] then 0 when granted = room then 1000
               else least(1000, greatest(10, ceil(1000 * (least(wanted[i] - granted, greatest(rates[i] / 10, 1)) - b.tokens) / rates[i]))) end;
    update rollcall.intake set tokens = b.tokens, open = b.open + granted, filled_at = clock_timestamp() where service = services[i];
    return next;
  end loop;
end $$;


create function rollcall.lane_is_served(of_lane text) returns boolean language sql stable
  return exists (select from rollcall.process_now p where p.lane = of_lane and p.alive);

-- How far a run had come, and since when: the scheduler looks every few seconds.
alter table rollcall.run add column progress_mark bigint, add column progress_at timestamptz;

-- The problems to report, as far as the database knows: `what` names the problem, and stays the same
-- while it lasts.
create function rollcall.troubles(stuck_after interval) returns table (what text, detail text) language sql stable as $$
  select 'no scheduler', 'no scheduler leads: nothing is started, published or closed; start rollcall-scheduler'
  where not exists (select from rollcall.lease where name = 'scheduler' and expires_at > clock_timestamp())
  union all
  select 'run does not close: ' || run_id,
         format('run %s of %s.%s is %s and has not moved since %s; see: rollcall runs show %s', left(run_id::text, 8), pack, job, state,
                to_char(moved_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), left(run_id::text, 8))
  from rollcall.run, lateral (select coalesce(progress_at, not_before, requested_at) as moved_at) m
  where rollcall.run_is_open(state) and state <> 'held for review' and moved_at < clock_timestamp() - stuck_after
  union all
  select 'type paused: ' || type, format('the task type %s is paused: %s; its tasks wait, see: rollcall types list', type, reason) from rollcall.paused_type_named
  union all
  select 'waits: ' || name, format('%s makes no progress: %s', name, waits_for) from rollcall.process_now where alive and waits_for is not null
  union all
  select distinct on (program, host, pid) format('reload refused: %s %s/%s', program, host, pid),
         format('%s on %s (pid %s) has refused its configuration since %s and runs with the one before: %s', program, host, pid,
                to_char(refused_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), refused_reload)
  from rollcall.process_now where alive and refused_reload is not null
$$;

-- Troubles that were found, until they are over.
create table rollcall.alert (
  what    text primary key,
  detail  text not null,
  since   timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  told_at timestamptz                    -- when it was reported; null: it has not lasted long enough
);

-- Closed runs whose counts have changed since: a quarantined task was replayed or dropped, or a follow-up of one was done. The scheduler looks at their state.
create table rollcall.recount (
  run_no bigint primary key references rollcall.run on delete cascade
);

-- What kills its worker is found: an owner that is followed by another one without having left in order, or got anywhere, has died.
alter table rollcall.position
  add column claimed_by   text not null default '',   -- the owner that has not left in order; '': it has
  add column claimed_next bigint not null default 0,  -- `next` when it claimed
  add column deaths       smallint not null default 0,
  add column trying       bigint;                     -- offset of what is done alone, after deaths

-- Expected to give a thousand rows each, their statement was compiled at each claim, for a tenth of a second.
alter function rollcall.claim(text, text, integer, text) rows 1;
create function rollcall.count_deaths(of_source integer, by_owner text) returns table (deaths smallint, trying bigint) language sql rows 1 as $$
  update rollcall.position p
  set deaths = case when p.claimed_by = '' then 0 when p.claimed_by = by_owner then p.deaths
                    when p.next = p.claimed_next or p.trying is not null then least(p.deaths + 1, 1000) else 0 end,
      claimed_by = by_owner, claimed_next = p.next
  where p.source_no = of_source returning p.deaths, p.trying
$$;

-- ---- totals ---------------------------------------------------------------------------------------------------------------------------

-- Dry runs are counted apart from what was done. What was counted before this stays in the row that it was counted in.
alter table rollcall.run_total drop constraint run_total_pkey, add primary key (run_id, dry_run);

insert into rollcall.schema_version (version) values (2);

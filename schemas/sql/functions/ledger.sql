-- SPDX-License-Identifier: Apache-2.0
-- Makes the ledger's partitions of a day, once. ATTACH, because CREATE … PARTITION OF would lock out
-- the workers.
create or replace function rollcall.ensure_day(d date) returns void language plpgsql as $$
declare
  name text := 'outcome_' || to_char(d, 'YYYYMMDD');
  of_batches text := 'outcome_batch_' || to_char(d, 'YYYYMMDD');
begin
  if to_regclass('rollcall.' || name) is not null
     and to_regclass('rollcall.' || of_batches) is not null then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtext('rollcall.ensure_day'));
  -- asked of the table itself: to_regclass may still know what it found before the lock
  if not exists (
    select from pg_class where relname = name and relnamespace = 'rollcall'::regnamespace
  ) then
    execute format('create table rollcall.%I (like rollcall.outcome including defaults)', name);
    -- shorter subjects first: numbers are then in the order in which they are planned and done,
    -- and each row goes to the end. A search must name the length, too.
    execute format(
      'create unique index %I on rollcall.%I '
      '(run_no, type_no, octet_length(subject), subject, item)',
      name || '_key', name);
    execute format(
      'alter table rollcall.outcome attach partition rollcall.%I for values from (%L) to (%L)',
      name, d, d + 1);
  end if;
  if not exists (
    select from pg_class where relname = of_batches and relnamespace = 'rollcall'::regnamespace
  ) then
    execute format(
      'create table rollcall.%I (like rollcall.outcome_batch including defaults including constraints)',
      of_batches);
    execute format(
      'create unique index %I on rollcall.%I (run_no, chunk, first)', of_batches || '_key',
      of_batches);
    execute format(
      'alter table rollcall.outcome_batch attach partition rollcall.%I '
      'for values from (%L) to (%L)',
      of_batches, d, d + 1);
  end if;
end $$;

-- A task's place in its run's plan, as one number, from 1: the later task has the larger one. In C:
-- plan_place().
create or replace function rollcall.place(chunk integer, index integer) returns bigint
language sql immutable parallel safe
return (chunk::bigint << 20) + index + 1;

-- From now on each task of the run has a row of its own, also those that batches have decided: its
-- tasks may come more than once, and in any order. Waits for the batches under way, which lock the
-- run (rollcall.lock_runs), and keeps out new ones. Returns how many rows that gave.
create or replace function rollcall.keep_by_task(of_run bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r record;
  moved bigint;
begin
  select by_task, day into r from rollcall.run where run_no = of_run for update;
  if not found or r.by_task then
    return 0;
  end if;
  insert into rollcall.outcome (
    run_no, src_offset, sequence, at, day, source_no, type_no, outcome, attempt, dry_run, subject,
    item, reason, before, after, follow_ups)
  select run_no, src_offset, sequence, at, day, source_no, type_no, outcome, attempt, dry_run,
         subject, item, reason, before, after, follow_ups
  from rollcall.outcome_of_batch
  where day = r.day and run_no = of_run;
  get diagnostics moved = row_count;
  delete from rollcall.outcome_batch where day = r.day and run_no = of_run;
  update rollcall.run set by_task = true where run_no = of_run;
  return moved;
end $$;
revoke execute on function rollcall.keep_by_task(bigint) from public;

-- The runs whose tasks a transaction decides batch by batch: none of them is kept by task meanwhile.
-- Returns those that are already.
create or replace function rollcall.lock_runs(run_nos bigint[]) returns setof bigint
language sql rows 1 security definer set search_path = pg_catalog, pg_temp as $$
  with locked as materialized (
    select run_no, by_task from rollcall.run
    where run_no = any(run_nos)
    order by run_no
    for key share
  )
  select run_no from locked where by_task
$$;
revoke execute on function rollcall.lock_runs(bigint[]) from public;

-- Of tasks of a run, those that the ledger has, with their outcome (below 0: it is still to come) and
-- follow-ups. Rows of their own are looked up by key; batches, when the run has any, by place.
create or replace function rollcall.outcomes_of_tasks(
  of_run bigint, of_day date, of_type smallint, of_subjects text[], of_items text[])
returns table (n bigint, outcome smallint, follow_ups text[])
language sql stable rows 200
set enable_seqscan = off
set enable_bitmapscan = off as $$
  select u.n, o.outcome, o.follow_ups
  from unnest(of_subjects, of_items) with ordinality as u(subject, item, n)
  cross join lateral (
    select o.outcome, o.follow_ups
    from rollcall.outcome o
    where o.day = of_day and o.run_no = of_run and o.type_no = of_type
      and octet_length(o.subject) = octet_length(u.subject) and o.subject = u.subject
      and o.item = coalesce(u.item, '')
    limit 1
  ) o
  union all
  select p.n, x.outcome, x.follow_ups
  from rollcall.places(of_run, of_type, of_subjects, of_items) p
  cross join lateral (
    select
      case when cardinality(b.outcome) = 1 then b.outcome[1]
           else b.outcome[p.index - b.first + 1] end as outcome,
      string_to_array(
        nullif(
          case when cardinality(b.follow_ups) = 1 then b.follow_ups[1]
               else b.follow_ups[p.index - b.first + 1] end, ''),
        ',') as follow_ups
    from rollcall.outcome_batch b
    where b.day = of_day and b.run_no = of_run and b.chunk = p.chunk
      and p.index >= b.first and p.index < b.first + b.n
  ) x
  where x.outcome is not null
    and exists (select from rollcall.outcome_batch where day = of_day and run_no = of_run)
$$;

-- Where tasks have their places in their runs' plans, of the chunks that have a partition.
create or replace function rollcall.places(
  of_run bigint, of_type smallint, of_subjects text[], of_items text[])
returns table (n bigint, chunk integer, index integer, lane text, partition integer)
language sql stable rows 200 as $$
  select u.n, p.chunk, (s.n - 1)::integer, p.lane, p.partition
  from rollcall.plan p
  cross join lateral unnest(p.subjects, p.items) with ordinality as s(subject, item, n)
  join unnest(of_subjects, of_items) with ordinality as u(subject, item, n)
    on u.subject = s.subject and coalesce(u.item, '') = coalesce(s.item, '')
  where p.run_no = of_run and p.type_no = of_type and p.partition is not null
$$;

create or replace function rollcall.outcome_name(code smallint) returns text
language sql immutable
return (array[
  'waiting', 'pending', 'applied', 'skipped', 'failed', 'quarantined', 'unknown'
])[code + 3];

-- What a run planned and has no outcome for: the missing, by name. Of each chunk what batches have
-- decided is known by its indexes; only the rest is looked up by name.
create or replace function rollcall.missing(of_run bigint)
returns table (type text, subject text, item text) language sql stable as $$
  select distinct t.name, s.subject, s.item
  from rollcall.plan p
  join rollcall.task_type t using (type_no)
  join rollcall.run r using (run_no)
  cross join lateral (
    select u.subject, coalesce(u.item, '') as item
    from unnest(p.subjects, p.items) with ordinality as u(subject, item, n)
    left join (
      select distinct b.first + x.n as n
      from rollcall.outcome_batch b
      cross join lateral generate_series(1, b.n) as x(n)
      where b.day = r.day and b.run_no = p.run_no and b.chunk = p.chunk
        and (cardinality(b.outcome) = 1 or b.outcome[x.n] is not null)
    ) done on done.n = u.n
    where done.n is null
  ) s
  where p.run_no = of_run
    and not exists (
      select from rollcall.outcome o
      where o.day = r.day and o.run_no = r.run_no and o.type_no = p.type_no
        and octet_length(o.subject) = octet_length(s.subject) and o.subject = s.subject
        and o.item = s.item and o.outcome >= 0
    )
$$;

-- See add_known in common/ledger/compose.c. A sub-select for each task, which the planner cannot
-- turn into a join: it is looked up by the whole key, whatever the statistics say. The tables grow
-- faster than they are analysed, and a batch that is rolled back leaves its rows in the index for
-- the next try to read.
create or replace function rollcall.known_by_id(ids uuid[]) returns setof bigint
language sql stable rows 200
set enable_seqscan = off set enable_bitmapscan = off as $$
  select u.n from unnest(ids) with ordinality as u(id, n)
  where (select true from rollcall.outcome_adhoc o where o.task_id = u.id limit 1)
$$;

-- Ad-hoc tasks whose id the ledger has for another task: of another type, subject, item, arguments,
-- or only one of the two a dry run.
create or replace function rollcall.used_for_others(
  ids uuid[], type_nos smallint[], dry_runs boolean[], subjects text[], items text[],
  arguments text[])
returns setof bigint
language sql stable rows 1
set enable_seqscan = off
set enable_bitmapscan = off as $$
  select u.n
  from unnest(
    ids, type_nos, dry_runs, subjects, items, arguments
  ) with ordinality as u(id, type_no, dry_run, subject, item, argument, n)
  where (
    select o.type_no <> u.type_no or o.dry_run <> u.dry_run or o.subject <> u.subject
      or o.item <> coalesce(u.item, '')
      or coalesce(o.arguments, '{}') <> coalesce(u.argument::jsonb, '{}')
    from rollcall.outcome_adhoc o
    where o.task_id = u.id
    limit 1
  )
$$;

create or replace function rollcall.known_of_run(
  of_day date, of_run bigint, of_type smallint, subjects text[], items text[])
returns setof bigint
language sql stable rows 200
set enable_seqscan = off
set enable_bitmapscan = off as $$
  select u.n from unnest(subjects, items) with ordinality as u(subject, item, n)
  where (
    select true
    from rollcall.outcome o
    where o.day = of_day and o.run_no = of_run and o.type_no = of_type
      and octet_length(o.subject) = octet_length(u.subject) and o.subject = u.subject
      and o.item = coalesce(u.item, '')
    limit 1
  )
$$;

-- One row, of which the planner expects twenty.
create or replace function rollcall.as_many() returns setof boolean
language plpgsql stable rows 20 as $$
begin
  return next true;
end $$;

-- Ends a statement whose `effect` has a value that it must not have, before anything of it is
-- committed. Called by the composed statement only for such a row.
create or replace function rollcall.refuse_effect(
  state text, file text, of_column text, value text, expected text)
returns integer language plpgsql as $$
begin
  raise exception '%: effect.% is %, expected %', file, of_column,
    coalesce(quote_literal(left(value, 200)), 'NULL'), expected
    using errcode = state;
end $$;

-- Every statement of a task type asks it about its result, which a worker must hold in memory:
-- true, or an error that a worker answers with a smaller batch.
create or replace function rollcall.bounded_result(bytes numeric, most bigint) returns boolean
language plpgsql immutable as $$
begin
  if bytes > most then
    raise exception 'the result is % bytes, more than %', bytes, most using errcode = 'RC001';
  end if;
  return true;
end $$;

-- What this transaction has changed until now, what is rolled back included. Rollcall's own tables
-- are left out.
create or replace function rollcall.touched_now() returns jsonb language sql volatile as $$
  select coalesce(
    jsonb_object_agg(
      schemaname || '.' || relname, jsonb_build_array(n_tup_ins, n_tup_upd, n_tup_del)),
    '{}')
  from pg_stat_xact_user_tables
  where schemaname <> 'rollcall' and n_tup_ins + n_tup_upd + n_tup_del > 0
$$;

-- Notes what has been changed since `rollcall.touched` was set to touched_now().
create or replace function rollcall.note_touched(of_run bigint, of_type smallint) returns void
language sql volatile as $$
  insert into rollcall.touched (run_no, type_no, relation, inserted, updated, deleted)
  select of_run, of_type, n.key, (n.value->>0)::bigint - coalesce((b.value->>0)::bigint, 0),
         (n.value->>1)::bigint - coalesce((b.value->>1)::bigint, 0),
         (n.value->>2)::bigint - coalesce((b.value->>2)::bigint, 0)
  from jsonb_each(rollcall.touched_now()) n
  left join jsonb_each(current_setting('rollcall.touched')::jsonb) b on b.key = n.key
  where n.value is distinct from b.value
$$;

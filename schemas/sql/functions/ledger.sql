-- SPDX-License-Identifier: Apache-2.0
-- Makes the ledger's partitions of a day, once. ATTACH, because CREATE … PARTITION OF would lock
-- out the workers.
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
      'create table rollcall.%I '
      '(like rollcall.outcome_batch including defaults including constraints)',
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

-- The runs whose tasks a transaction decides batch by batch: none of them is kept by task
-- meanwhile. Returns those that are already.
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

-- Of tasks of a run, those that the ledger has, with their outcome (below 0: it is still to come)
-- and follow-ups. Rows of their own are looked up by key. Tasks of batches are looked up by their
-- place, which is searched for only when the run has batches; a batch is opened, once, where its
-- tasks differ.
create or replace function rollcall.outcomes_of_tasks(
  of_run bigint, of_day date, of_type smallint, of_subjects text[], of_items text[])
returns table (n bigint, outcome smallint, follow_ups text[])
language sql stable rows 200
set enable_seqscan = off
set enable_bitmapscan = off as $$
  with placed as materialized (
    select p.n, p.chunk, p.index
    from rollcall.places(of_run, of_type, of_subjects, of_items) p
    where (select exists (
      select from rollcall.outcome_batch b where b.day = of_day and b.run_no = of_run
    ))
  ),
  found as materialized (
    select p.n, p.chunk, b.first, p.index - b.first + 1 as i
    from placed p
    cross join lateral (
      select x.first, x.n
      from rollcall.outcome_batch x
      where x.day = of_day and x.run_no = of_run and x.chunk = p.chunk and x.first <= p.index
      order by x.first desc
      limit 1
    ) b
    where p.index < b.first + b.n
  ),
  batches as materialized (
    select b.chunk, b.first, b.outcome[1] as outcome, b.follow_ups[1] as follow_ups,
           cardinality(b.outcome) = 1 as same_outcome,
           coalesce(cardinality(b.follow_ups), 1) = 1 as same_follow_ups
    from (select distinct chunk, first from found) f
    join rollcall.outcome_batch b
      on b.day = of_day and b.run_no = of_run and b.chunk = f.chunk and b.first = f.first
  ),
  opened as materialized (
    select b.chunk, b.first, u.i,
           case when s.same_outcome then s.outcome else u.outcome end as outcome,
           case when s.same_follow_ups then s.follow_ups else u.follow_ups end as follow_ups
    from batches s
    join rollcall.outcome_batch b
      on b.day = of_day and b.run_no = of_run and b.chunk = s.chunk and b.first = s.first
    cross join lateral unnest(b.outcome, b.follow_ups) with ordinality as u(outcome, follow_ups, i)
    where not (s.same_outcome and s.same_follow_ups)
  ),
  of_batches as (
    select f.n, s.outcome, s.follow_ups
    from found f
    join batches s using (chunk, first)
    where s.same_outcome and s.same_follow_ups
    union all
    select f.n, o.outcome, o.follow_ups
    from found f
    join opened o using (chunk, first, i)
    where o.outcome is not null
  )
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
  select n, outcome, string_to_array(nullif(follow_ups, ''), ',')
  from of_batches
$$;

-- The tasks of a run with one of these outcomes. Batches without any of them are not opened.
create or replace function rollcall.outcomes_of_run(of_run bigint, of_outcomes smallint[])
returns table (
  type_no smallint, subject text, item text, outcome smallint, reason text, before text, after text,
  at timestamptz, attempt smallint)
language sql stable as $$
  select o.type_no, o.subject, o.item, o.outcome, o.reason, o.before, o.after, o.at, o.attempt
  from rollcall.outcome o
  where o.day = (select day from rollcall.run where run_no = of_run) and o.run_no = of_run
    and o.outcome = any(of_outcomes)
  union all
  select o.type_no, o.subject, o.item, o.outcome, o.reason, o.before, o.after, o.at, o.attempt
  from rollcall.outcome_of_batch o
  where o.day = (select day from rollcall.run where run_no = of_run) and o.run_no = of_run
    and o.outcomes && of_outcomes and o.outcome = any(of_outcomes)
$$;

-- The history of one subject, of all runs whose day the ledger has: as rollcall.outcome_named,
-- which would be read whole. Rows of their own are looked up by key; of the plans only those chunks
-- are opened that have the subject.
create or replace function rollcall.outcomes_of_subject(of_subject text)
returns table (
  run_id uuid, pack text, job text, type text, item text, outcome text, reason text, before text,
  after text, at timestamptz, dry_run boolean, actor text, attempt smallint)
language sql stable
set enable_hashjoin = off
set enable_mergejoin = off as $$
  with runs as materialized (
    select run_no, day, run_id, pack, job, requested_by from rollcall.run
  ),
  chunks as materialized (
    select r.day, p.run_no, p.chunk, p.subjects, p.items
    from runs r
    join rollcall.plan p using (run_no)
    where p.partition is not null and p.subjects @> array[of_subject]
  ),
  found as (
    select o.run_no, o.type_no, o.item, o.outcome, o.reason, o.before, o.after, o.at, o.dry_run,
           o.attempt
    from runs r
    join rollcall.task_type t on starts_with(t.name, r.pack || '.')
    cross join lateral (
      select *
      from rollcall.outcome o
      where o.day = r.day and o.run_no = r.run_no and o.type_no = t.type_no
        and octet_length(o.subject) = octet_length(of_subject) and o.subject = of_subject
      offset 0
    ) o
    union all
    select o.run_no, o.type_no, o.item, o.outcome, o.reason, o.before, o.after, o.at, o.dry_run,
           o.attempt
    from chunks c
    cross join lateral unnest(c.subjects) with ordinality as u(subject, n)
    cross join lateral (
      select b.first
      from rollcall.outcome_batch b
      where b.day = c.day and b.run_no = c.run_no and b.chunk = c.chunk and b.first < u.n
      order by b.first desc
      limit 1
    ) b
    cross join lateral (
      select *
      from rollcall.outcome_of_batch o
      where o.day = c.day and o.run_no = c.run_no and o.chunk = c.chunk and o.first = b.first
        and o.place = rollcall.place(c.chunk, u.n::integer - 1)
      offset 0
    ) o
    where u.subject = of_subject
  )
  select r.run_id, r.pack, r.job, t.name, f.item, rollcall.outcome_name(f.outcome), f.reason,
         f.before, f.after, f.at, f.dry_run, r.requested_by, f.attempt
  from found f
  join runs r using (run_no)
  join rollcall.task_type t using (type_no)
  order by f.at
$$;

-- Where tasks have their places in their runs' plans, of the chunks that have a partition. A plan
-- may have millions of tasks: each is looked up in a table of those that are wanted, by a
-- condition that the planner cannot turn into a join of another kind.
create or replace function rollcall.places(
  of_run bigint, of_type smallint, of_subjects text[], of_items text[])
returns table (n bigint, chunk integer, index integer, lane text, partition integer)
language sql stable rows 200
set enable_nestloop = off
set enable_mergejoin = off as $$
  with u as materialized (
    select subject, coalesce(item, '') as item, n
    from unnest(of_subjects, of_items) with ordinality as u(subject, item, n)
  ),
  found as materialized (
    select p.chunk, p.lane, p.partition, s.subject, coalesce(s.item, '') as item, s.n
    from rollcall.plan p
    cross join lateral unnest(p.subjects, p.items) with ordinality as s(subject, item, n)
    where p.run_no = of_run and p.type_no = of_type and p.partition is not null
      and coalesce((s.subject, coalesce(s.item, '')) in (select subject, item from u), false)
  )
  select u.n, f.chunk, (f.n - 1)::integer, f.lane, f.partition
  from found f
  join u using (subject, item)
$$;

-- Up to which sequence the batches of positions hold, above another one, at least as many tasks as
-- are wanted, or are a thousand; null: what they hold is less. So readers open a few at a time.
create or replace function rollcall.batches_upto(
  of_sources integer[], above bigint, at_least bigint)
returns bigint language sql stable as $$
  with found as (
    select b.last_sequence, b.last_sequence - greatest(b.first_sequence - 1, above) as tasks
    from unnest(of_sources) as s(source_no)
    cross join lateral (
      select first_sequence, last_sequence
      from rollcall.outcome_batch
      where source_no = s.source_no and last_sequence > above
      order by last_sequence
      limit 1000
    ) b
    order by b.last_sequence
    limit 1000
  )
  select coalesce(
    min(last_sequence) filter (where tasks >= at_least),
    case when count(*) = 1000 then max(last_sequence) end)
  from (
    select last_sequence, sum(tasks) over (order by last_sequence) as tasks from found
  ) b
$$;

create or replace function rollcall.outcome_name(code smallint) returns text
language sql immutable
return (array[
  'waiting', 'pending', 'applied', 'skipped', 'failed', 'quarantined', 'unknown'
])[code + 3];

-- What a run planned and has no outcome for: the missing, by name. A chunk that batches have
-- decided whole is not opened. Of the others it is known by its index what batches have decided,
-- and the rest is looked up by name, a task at a time: see known_by_id.
create or replace function rollcall.missing(of_run bigint)
returns table (type text, subject text, item text) language sql stable as $$
  with this as materialized (
    select run_no, day from rollcall.run where run_no = of_run
  ),
  of_batches as materialized (
    select b.chunk,
           sum(
             case when cardinality(b.outcome) = 1 then b.n
                  else b.n - cardinality(array_positions(b.outcome, null)) end) as n
    from rollcall.outcome_batch b
    where b.day = (select day from this) and b.run_no = of_run
    group by 1
  ),
  open as materialized (
    select p.chunk, p.type_no, p.subjects, p.items
    from rollcall.plan p
    left join of_batches d using (chunk)
    where p.run_no = of_run and coalesce(d.n, 0) < cardinality(p.subjects)
  ),
  rest as materialized (
    select p.type_no, u.subject, coalesce(u.item, '') as item
    from open p
    cross join lateral unnest(p.subjects, p.items) with ordinality as u(subject, item, n)
    left join lateral (
      select b.first + x.i as n
      from rollcall.outcome_batch b
      cross join lateral generate_series(1, b.n) as x(i)
      where cardinality(b.outcome) = 1
        and b.day = (select day from this) and b.run_no = of_run and b.chunk = p.chunk
      union all
      select b.first + x.i
      from rollcall.outcome_batch b
      cross join lateral unnest(b.outcome) with ordinality as x(outcome, i)
      where cardinality(b.outcome) > 1 and x.outcome is not null
        and b.day = (select day from this) and b.run_no = of_run and b.chunk = p.chunk
    ) done on done.n = u.n
    where done.n is null
  )
  select distinct t.name, s.subject, s.item
  from rest s
  join rollcall.task_type t using (type_no)
  where (
    select true
    from rollcall.outcome o
    where o.day = (select day from this) and o.run_no = of_run and o.type_no = s.type_no
      and octet_length(o.subject) = octet_length(s.subject) and o.subject = s.subject
      and o.item = s.item and o.outcome >= 0
    limit 1
  ) is null
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

-- Rollcall's own tables. They live beside the organisation's, in a schema of their own, in the same database: an effect and its
-- outcome commit together or not at all.
create schema rollcall;

create table rollcall.schema_version (
  version    integer primary key,
  applied_at timestamptz not null default now()
);

-- ---- what is to be done -------------------------------------------------------------------------------------------------------------

-- One scheduler leads at a time. The epoch grows with every change of holder; a leader's transactions hold the row and check it.
create table rollcall.lease (
  name       text primary key,
  holder     text not null,
  epoch      bigint not null,
  expires_at timestamptz not null
);

create table rollcall.job (
  pack          text not null,
  job           text not null,
  suspended     boolean not null default false,
  suspended_by  text,
  suspended_at  timestamptz,
  considered_at timestamptz,          -- every slot up to here has been decided: run, skipped, refused
  primary key (pack, job)
);

create table rollcall.run (
  run_no           bigint generated always as identity primary key,
  run_id           uuid not null unique,        -- UUIDv5 of job and scheduled_at: the same for every scheduler
  pack             text not null,
  job              text not null,
  scheduled_at     timestamptz not null,
  day              date not null,               -- of scheduled_at, UTC: the ledger's partition
  cause            text not null check (cause in ('schedule', 'catch_up', 'manual')),
  requested_by     text not null,
  settings         jsonb not null default '{}', -- given with --set, or by the job
  dry_run          boolean not null,
  force            boolean not null default false,
  state            text not null default 'requested'
                   check (state in ('requested', 'planned', 'published', 'finished', 'failed', 'refused', 'cancelled')),
  reason           text not null default '',
  cluster          text,                        -- the Kafka cluster that its tasks were published to
  again            boolean not null default false, -- published again: only tasks without an outcome
  chunks           integer not null default 0,
  chunks_published integer not null default 0,
  planned          bigint not null default 0,   -- tasks in the plan, without follow-ups
  planned_digest_a bigint not null default 0,   -- XOR of the halves of the planned task ids
  planned_digest_b bigint not null default 0,
  not_before       timestamptz,                 -- jitter
  requested_at     timestamptz not null default now(),
  planned_at       timestamptz,
  published_at     timestamptz,
  deadline_at      timestamptz,                 -- time limit
  closed_at        timestamptz,
  alert            boolean not null default false, -- it ended so that on_failure is published
  notified_at      timestamptz                  -- its end has been announced, and what follows from it published
);
create index run_by_job on rollcall.run (pack, job, scheduled_at desc);
create index run_unnotified on rollcall.run (run_no) where closed_at is not null and notified_at is null;
create index run_open on rollcall.run (run_no) where state in ('requested', 'planned', 'published');

-- Every planned subject, written in one transaction before the first task is published: what a run owes can always be told, and published
-- again with the same ids.
create table rollcall.plan (
  run_no   bigint not null references rollcall.run on delete cascade,
  chunk    integer not null,
  type_no  smallint not null,
  dry_run  boolean not null,
  subjects text[] not null,
  items    text[],                    -- null: all ''
  primary key (run_no, chunk)
);

create table rollcall.task_type (
  type_no smallint generated always as identity primary key,
  name    text not null unique        -- "pack.type"
);

-- ---- what was done ------------------------------------------------------------------------------------------------------------------

-- One row per log that has been read: Kafka cluster, topic and partition. The owner's epoch fences all others: every batch moves `next` by
-- compare-and-set on the epoch. When a topic is made anew, the row of the old log is set aside under the name "CLUSTER#source_no".
create table rollcall.position (
  source_no  integer generated always as identity unique,
  cluster    text not null,
  topic      text not null,
  partition  integer not null,
  epoch      bigint not null default 0,
  owner      text not null default '',
  next       bigint not null default 0,  -- offset to take next
  mark       bigint not null default 0,  -- digest of the message before it: another log has another one there; 0: none
  sequence   bigint not null default 0,  -- last number given to an outcome; the logs of a topic's partition number on
  published  bigint not null default 0,  -- outcomes up to this sequence are acknowledged on the results topic
  updated_at timestamptz not null default now(),
  primary key (cluster, topic, partition)
) with (fillfactor = 50);

-- Where a log did not have what was to be taken next, and what became of it.
create table rollcall.log_gap (
  gap_no      bigint generated always as identity primary key,
  source_no   integer not null,          -- the position that goes on behind it
  how         text not null check (how in ('made anew', 'deleted', 'another cluster')),
  position    bigint not null,           -- what was to be taken next
  low         bigint not null,           -- the log as it was found: first offset, and the one after the last
  high        bigint not null,
  found_by    text not null,
  found_at    timestamptz not null default now(),
  repaired_at timestamptz                -- what the database knows has been planned again, or folded
);
create index log_gap_open on rollcall.log_gap (gap_no) where repaired_at is null;

-- The ledger: one row per task, ledger, outbox and audit source in one. The key of a run's task is (run, type, subject, item); an ad-hoc task
-- has an id of its own and lives in the partition of day '-infinity'.
create table rollcall.outcome (
  run_no     bigint not null,           -- 0: ad-hoc
  src_offset bigint not null,
  sequence   bigint,                    -- null while pending or waiting
  at         timestamptz not null default now(),
  day        date not null,
  source_no  integer not null,
  type_no    smallint not null,
  outcome    smallint not null,         -- 0 applied, 1 skipped, 2 failed, 3 quarantined, 4 unknown, -1 pending (a mail on its way), -2 waiting (see held)
  attempt    smallint not null default 1,
  replaces   smallint,                  -- the outcome that this one took the place of: quarantined, then replayed or dropped
  dry_run    boolean not null default false,
  subject    text collate "C" not null,
  item       text collate "C" not null default '',
  reason     text not null default '',
  before     text,
  after      text,
  follow_ups text[],                    -- task types that were published because of it
  task_id    uuid,                      -- ad-hoc only: a run's task id follows from its key
  actor      text,                      -- ad-hoc only: a run's actor is the run's
  arguments  jsonb                      -- ad-hoc only
) partition by range (day);

create index on rollcall.outcome using brin (source_no, sequence) with (pages_per_range = 32);
create index on rollcall.outcome (source_no, src_offset) where outcome < 0 or outcome = 3;

create table rollcall.outcome_adhoc partition of rollcall.outcome for values from (minvalue) to ('2000-01-01');
create unique index outcome_adhoc_key on rollcall.outcome_adhoc (task_id);

-- Counts and an order-independent digest, moved in the batch's own transaction: progress and the proof of completeness.
create table rollcall.progress (
  run_no      bigint not null,
  source_no   integer not null,
  applied     bigint not null default 0,
  skipped     bigint not null default 0,
  failed      bigint not null default 0,
  quarantined bigint not null default 0,
  unknown     bigint not null default 0,
  spawned     bigint not null default 0, -- follow-up tasks published
  digest_a    bigint not null default 0, -- XOR of the halves of the ids done and of the ids spawned
  digest_b    bigint not null default 0,
  primary key (run_no, source_no)
) with (fillfactor = 50);

create table rollcall.dead_letter (
  source_no  integer not null,
  src_offset bigint not null,
  sequence   bigint not null,
  reason     text not null,
  key        bytea,
  value      bytea,
  at         timestamptz not null default now(),
  primary key (source_no, src_offset)
);

-- Tasks set aside: a task that failed by its own fault waits for its next try, at last for an operator, and the later tasks of its subject in the
-- same lane wait behind it, in this order. The owner of the partition takes up what is due.
create table rollcall.held (
  held_no      bigint generated always as identity,
  source_no    integer not null,
  src_offset   bigint not null,
  topic        text not null,           -- the lane
  subject      text collate "C" not null,
  state        text not null check (state in (
                 'retry',               -- failed; again at due_at
                 'quarantined',         -- failed for the last time
                 'waiting',             -- behind a task that is tried again; has no outcome yet
                 'behind',              -- behind a quarantined task, and counted as quarantined with it
                 'replay', 'drop')),    -- an operator's wish, not yet taken up
  task_id      uuid not null,
  day          date not null,
  run_no       bigint not null,
  type_no      smallint not null,
  item         text collate "C" not null,
  tries        smallint not null,       -- that failed, since the beginning or the last replay
  due_at       timestamptz,             -- when the owner looks at it again; null: not before something else happens
  errors       text[] not null default '{}',
  key          bytea,                   -- the message as it was
  value        bytea,
  requested_by text,                    -- of a replay or drop
  since        timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  primary key (source_no, src_offset)
) with (fillfactor = 70);
create index held_subject on rollcall.held (topic, subject, held_no);
create index held_due on rollcall.held (source_no, due_at) where due_at is not null;
create index held_task on rollcall.held (task_id);

-- Makes a partition the caller's: raises the epoch, which fences every earlier owner. Earlier logs of the partition are fenced for good, wherever their
-- owners are, and their numbers go on: readers of the results topic know an outcome by topic, partition and number. `switched`: an earlier log was in use
-- until now.
create function rollcall.claim(of_cluster text, of_topic text, of_partition integer, by_owner text)
returns table (source_no integer, epoch bigint, next bigint, mark bigint, sequence bigint, published bigint, switched boolean) language plpgsql as $$
#variable_conflict use_column
declare
  earlier record;
  fenced boolean;
begin
  update rollcall.position set epoch = epoch + 1, owner = ''
  where topic = of_topic and partition = of_partition and cluster <> of_cluster and owner <> '';
  fenced := found;
  select coalesce(max(epoch), 0) as epoch, coalesce(max(sequence), 0) as sequence, coalesce(max(published), 0) as published into earlier
  from rollcall.position where topic = of_topic and partition = of_partition and cluster <> of_cluster;
  return query
  insert into rollcall.position as p (cluster, topic, partition, owner, epoch, sequence, published)
  values (of_cluster, of_topic, of_partition, by_owner, earlier.epoch + 1, earlier.sequence, earlier.published)
  on conflict (cluster, topic, partition) do update set epoch = greatest(p.epoch, earlier.epoch) + 1, owner = excluded.owner,
    sequence = greatest(p.sequence, excluded.sequence), published = greatest(p.published, excluded.published), updated_at = now()
  returning p.source_no, p.epoch, p.next, p.mark, p.sequence, p.published, fenced;
end $$;

-- The other logs of a position's topic and partition.
create function rollcall.earlier_logs(of_source integer) returns integer[] language sql stable as $$
  select coalesce(array_agg(e.source_no), '{}')
  from rollcall.position m join rollcall.position e on e.topic = m.topic and e.partition = m.partition and e.source_no <> m.source_no
  where m.source_no = of_source
$$;

-- What earlier logs of its partition left unfinished, or set aside, becomes the claimer's. Two logs use the same offsets, so such a row's becomes negative,
-- made of its source and offset.
create function rollcall.adopted_offset(source_no integer, src_offset bigint) returns bigint language sql immutable as $$
  select case when src_offset < 0 then src_offset else -1 - ((source_no::bigint << 40) + src_offset) end
$$;

create function rollcall.true_offset(src_offset bigint) returns bigint language sql immutable as $$
  select case when src_offset < 0 then (-1 - src_offset) & ((1::bigint << 40) - 1) else src_offset end
$$;

create function rollcall.adopt(mine integer) returns void language plpgsql as $$
declare
  earlier integer[] := rollcall.earlier_logs(mine);
begin
  if earlier <> '{}' then
    update rollcall.outcome set source_no = mine, src_offset = rollcall.adopted_offset(source_no, src_offset)
    where (outcome < 0 or outcome = 3) and source_no = any(earlier);
    update rollcall.held set source_no = mine, src_offset = rollcall.adopted_offset(source_no, src_offset) where source_no = any(earlier);
  end if;
end $$;

-- What has been folded from earlier logs of a results partition has been folded. True: what they had beyond that is to be folded from the ledger.
create function rollcall.inherit_folded(mine integer, switched boolean) returns boolean language plpgsql as $$
declare
  earlier integer[] := rollcall.earlier_logs(mine);
begin
  if earlier <> '{}' then
    insert into rollcall.folded as f (results_no, source_topic, source_partition, sequence)
    select mine, source_topic, source_partition, max(sequence) from rollcall.folded where results_no = any(earlier) group by 2, 3
    on conflict (results_no, source_topic, source_partition) do update set sequence = greatest(f.sequence, excluded.sequence);
    insert into rollcall.log_gap (source_no, how, position, low, high, found_by)
    select mine, 'another cluster', max(e.next), 0, 0, max(m.owner) from rollcall.position m, rollcall.position e
    where switched and m.source_no = mine and e.source_no = any(earlier) having count(*) > 0;
  end if;
  return exists (select from rollcall.log_gap where source_no = mine and repaired_at is null);
end $$;

-- Puts a position right that does not fit its log, and asks for what was lost. A log that was made anew is read from its beginning, under a row of its
-- own. False: the position was somebody else's meanwhile.
create function rollcall.repair_position(of_source integer, at_epoch bigint, anew boolean, low bigint, high bigint, by_whom text) returns boolean
language plpgsql as $$
declare
  p rollcall.position;
  goes_on integer := of_source;
begin
  select * into p from rollcall.position where source_no = of_source and epoch = at_epoch for update;
  if not found then
    return false;
  end if;
  if anew then
    update rollcall.position set cluster = cluster || '#' || source_no, epoch = epoch + 1, owner = '', updated_at = now() where source_no = of_source;
    insert into rollcall.position (cluster, topic, partition, epoch, next, sequence, published)
    values (p.cluster, p.topic, p.partition, p.epoch + 1, repair_position.low, p.sequence, p.published) returning source_no into goes_on;
  else
    update rollcall.position set next = repair_position.low, mark = 0, epoch = epoch + 1, updated_at = now() where source_no = of_source;
  end if;
  insert into rollcall.log_gap (source_no, how, position, low, high, found_by)
  values (goes_on, case when anew then 'made anew' else 'deleted' end, p.next, repair_position.low, repair_position.high, by_whom);
  perform pg_notify('rollcall_run', '');
  return true;
end $$;

-- Makes the ledger's partition of a day, once. ATTACH, because CREATE … PARTITION OF would lock out the workers.
create function rollcall.ensure_day(d date) returns void language plpgsql as $$
declare
  name text := 'outcome_' || to_char(d, 'YYYYMMDD');
begin
  if to_regclass('rollcall.' || name) is not null then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtext('rollcall.ensure_day'));
  -- asked of the table itself: to_regclass may still know what it found before the lock
  if exists (select from pg_class where relname = name and relnamespace = 'rollcall'::regnamespace) then
    return;
  end if;
  execute format('create table rollcall.%I (like rollcall.outcome including defaults)', name);
  -- shorter subjects first: so numbers stand as they are planned and done, and each row goes to the end. A look must name the length, too.
  execute format('create unique index %I on rollcall.%I (run_no, type_no, octet_length(subject), subject, item)', name || '_key', name);
  execute format('alter table rollcall.outcome attach partition rollcall.%I for values from (%L) to (%L)', name, d, d + 1);
end $$;

-- ---- what the results topic said: the aggregator's ----------------------------------------------------------------------------------

-- Last sequence folded, per results partition and source partition: an event at or below it is a repetition.
create table rollcall.folded (
  results_no       integer not null,   -- position.source_no of the results partition
  source_topic     text not null,
  source_partition integer not null,
  sequence         bigint not null,
  primary key (results_no, source_topic, source_partition)
) with (fillfactor = 50);

create table rollcall.run_total (
  run_id      uuid primary key,        -- nil: ad-hoc
  pack        text not null,
  job         text not null,
  dry_run     boolean not null,
  applied     bigint not null default 0,
  skipped     bigint not null default 0,
  failed      bigint not null default 0,
  quarantined bigint not null default 0,
  unknown     bigint not null default 0,
  first_at    timestamptz not null,
  last_at     timestamptz not null
) with (fillfactor = 50);

-- Outcomes by day (UTC), type and reason. Reasons beyond the aggregator's limit per type and day are counted as "(other)".
create table rollcall.day_total (
  day     date not null,
  type    text not null,
  dry_run boolean not null,
  outcome smallint not null,
  reason  text not null,
  count   bigint not null,
  primary key (day, type, dry_run, outcome, reason)
) with (fillfactor = 50);

create table rollcall.recent_error (
  event_id uuid primary key,
  at       timestamptz not null,
  run_id   uuid not null,
  type     text not null,
  subject  text not null,
  item     text not null,
  outcome  smallint not null,
  reason   text not null
);
create index on rollcall.recent_error (type, at desc);

-- ---- views for people, packs and reports --------------------------------------------------------------------------------------------

create view rollcall.run_progress as
select r.run_no, r.run_id, r.pack, r.job, r.scheduled_at, r.cause, r.requested_by, r.settings, r.dry_run, r.state, r.reason,
       r.requested_at, r.planned_at, r.published_at, r.closed_at,
       r.planned + coalesce(p.spawned, 0) as planned,
       coalesce(p.applied, 0) as applied, coalesce(p.skipped, 0) as skipped, coalesce(p.failed, 0) as failed,
       coalesce(p.quarantined, 0) as quarantined, coalesce(p.unknown, 0) as unknown, coalesce(p.spawned, 0) as spawned,
       coalesce(p.done, 0) as done,
       coalesce(p.digest_a, 0) = r.planned_digest_a and coalesce(p.digest_b, 0) = r.planned_digest_b as digest_matches
from rollcall.run r
left join lateral (
  select sum(applied)::bigint as applied, sum(skipped)::bigint as skipped, sum(failed)::bigint as failed,
         sum(quarantined)::bigint as quarantined, sum(unknown)::bigint as unknown, sum(spawned)::bigint as spawned,
         sum(applied + skipped + failed + quarantined + unknown)::bigint as done,
         bit_xor(digest_a) as digest_a, bit_xor(digest_b) as digest_b
  from rollcall.progress where run_no = r.run_no
) p on true;

create function rollcall.outcome_name(code smallint) returns text language sql immutable return
  (array['waiting', 'pending', 'applied', 'skipped', 'failed', 'quarantined', 'unknown'])[code + 3];

create view rollcall.outcome_named as
select r.run_id, r.pack, r.job, t.name as type, o.subject, o.item,
       rollcall.outcome_name(o.outcome) as outcome,
       o.reason, o.before, o.after, o.at, o.dry_run, coalesce(o.actor, r.requested_by) as actor, o.attempt, o.task_id, o.run_no, o.type_no, o.day
from rollcall.outcome o
join rollcall.task_type t using (type_no)
left join rollcall.run r on r.run_no = o.run_no;

create view rollcall.held_named as
select h.held_no, h.task_id, h.state, t.name as type, h.subject, h.item, o.attempt as attempts, h.tries, coalesce(h.errors[cardinality(h.errors)], o.reason) as reason,
       h.errors, h.due_at, h.since, h.updated_at, h.requested_by, r.run_id, r.pack, r.job, h.topic, p.partition,
       rollcall.true_offset(h.src_offset) as src_offset
from rollcall.held h
join rollcall.task_type t using (type_no)
left join rollcall.position p using (source_no)
left join rollcall.outcome o on o.day = h.day and o.source_no = h.source_no and o.src_offset = h.src_offset and (o.outcome < 0 or o.outcome = 3)
left join rollcall.run r on r.run_no = h.run_no;

-- What a run planned and has no outcome for: the missing, by name.
create function rollcall.missing(of_run bigint) returns table (type text, subject text, item text) language sql stable as $$
  select distinct t.name, s.subject, s.item
  from rollcall.plan p
  join rollcall.task_type t using (type_no)
  join rollcall.run r using (run_no)
  cross join lateral (
    select subject, coalesce(p.items[n], '') as item from unnest(p.subjects) with ordinality as u(subject, n)
  ) s
  where p.run_no = of_run
    and not exists (select from rollcall.outcome o where o.day = r.day and o.run_no = r.run_no and o.type_no = p.type_no
                    and octet_length(o.subject) = octet_length(s.subject) and o.subject = s.subject and o.item = s.item
                    and o.outcome >= 0)
$$;

insert into rollcall.schema_version (version) values (1);

-- SPDX-License-Identifier: Apache-2.0
-- Who requested what. Everything that is not a run's own task is requested here: by operators
-- through the functions below, by services on their intake topics, by Rollcall itself for what
-- follows from a task or a run. The scheduler publishes the tasks.

create table rollcall.authority (
  right_name text not null check (right_name in ('act_for_others')),
  role_name  text not null,
  primary key (right_name, role_name)
);

create table rollcall.request (
  request_no   bigint generated always as identity primary key,
  kind         text not null,
  actor        text not null,
  on_behalf_of text,
  origin       text not null check (origin in ('operator', 'service', 'rollcall')),
  about        text not null default '',
  detail       jsonb not null default '{}',
  -- kind 'tasks'
  type_no      smallint,
  dry_run      boolean not null default false,
  task_ids     uuid[],
  subjects     text[],
  items        text[],
  arguments    text[],
  n_tasks      integer not null default 0,
  large        boolean not null default false,
  again        boolean not null default false,
  cluster      text,
  requested_at timestamptz not null default clock_timestamp(),
  published_at timestamptz,
  settled_at   timestamptz
);
create index request_unpublished on rollcall.request (large, request_no) where published_at is null;
create index request_unsettled
  on rollcall.request (request_no)
  where kind = 'tasks' and settled_at is null and published_at is not null;
create index request_unsettled_cluster
  on rollcall.request (cluster)
  where kind = 'tasks' and settled_at is null and published_at is not null;

create index request_first_task on rollcall.request ((task_ids[1])) where kind = 'tasks';

-- What pack.cfg says of a type, for the functions below (`rollcall db apply` writes it).
alter table rollcall.task_type
  add requires_role   text,
  add actor_arguments text[] not null default '{}',
  add for_others_arguments text[] not null default '{}';
alter table rollcall.job add requires_roles text[] not null default '{}';

create table rollcall.touched (
  run_no   bigint not null references rollcall.run on delete cascade,
  type_no  smallint not null,
  relation text not null,
  inserted bigint not null,
  updated  bigint not null,
  deleted  bigint not null
);
create index touched_of_run on rollcall.touched (run_no);

alter table rollcall.run drop constraint run_state_check;
update rollcall.run r set state = case
    when r.state = 'finished' and p.unknown = 0 then 'succeeded'
    when r.state = 'finished' or p.failed + p.quarantined > 0
      then 'completed with errors' else r.state end
from rollcall.run_progress p
where p.run_no = r.run_no
  and (
    r.state = 'finished'
    or (
      r.state = 'failed' and r.published_at is not null and p.done = p.planned and p.digest_matches)
  );
alter table rollcall.run add constraint run_state_check check (state in (
  'requested', 'planned', 'held for review', 'published',
  'succeeded',
  'completed with errors',
  'failed',
  'cancelled', 'refused'));

-- Something is still to be done for it, or to be decided. In C: run_state_open.
create function rollcall.run_is_open(state text) returns boolean
language sql immutable parallel safe
  return state in ('requested', 'planned', 'held for review', 'published');
drop index rollcall.run_open;
create index run_open on rollcall.run (run_no) where rollcall.run_is_open(state);

alter table rollcall.run
  add column requested_for    text,
  add column kept_settings    jsonb,
  add column statements       jsonb,
  add column expect           jsonb,
  add column population       bigint,
  add column held_at          timestamptz,
  add column held_notified_at timestamptz,
  add column released_at      timestamptz,
  add column released_by      text;

create index run_held on rollcall.run (run_no) where state = 'held for review';

create table rollcall.locked_setting (
  pack text not null,
  name text not null,
  primary key (pack, name)
);

-- A job's schedule is suspended by its own name, or with all others: `jobs resume --all` leaves
-- alone what was suspended by its own name.
alter table rollcall.job
  add column suspended_reason   text,
  add column suspended_with_all boolean not null default false;

create table rollcall.shared_follow_up (
  run_no  bigint not null references rollcall.run on delete cascade,
  type_no smallint not null,
  subject text collate "C" not null,
  item    text collate "C" not null,
  primary key (run_no, type_no, subject, item)
);

create table rollcall.service (
  one    boolean primary key default true check (one),
  prefix text not null
);

create table rollcall.process (
  name        text primary key,
  program     text not null,
  host        text not null,
  pid         integer not null,
  version     text not null,
  lane        text,
  partitions  integer[] not null default '{}',
  leads       boolean not null default false,
  backend_pid integer not null,
  waits_for   text,
  refused_reload text,
  refused_at  timestamptz,
  started_at  timestamptz not null default clock_timestamp(),
  seen_at     timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

create table rollcall.paused_type (
  type_no            smallint primary key,
  since              timestamptz not null default clock_timestamp(),
  reason             text not null,
  sqlstate           text not null default '',
  by_whom            text not null,
  samples            bytea[] not null default '{}',
  tries              integer not null default 0,
  tried_at           timestamptz,
  next_try_at        timestamptz not null,
  resumed_at         timestamptz,
  resumed_by         text,
  published_again_at timestamptz
);

alter table rollcall.held drop constraint held_state_check;
alter table rollcall.held add constraint held_state_check check (state in (
  'retry', 'quarantined', 'waiting', 'behind', 'replay', 'drop',
  'unknown',
  'record'));
alter table rollcall.held add column locked boolean not null default false;

alter table rollcall.request add column uncounted_at timestamptz;
create index request_counted
  on rollcall.request (actor, request_no)
  where origin = 'service' and uncounted_at is null;

create table rollcall.intake (
  service   text primary key,
  tokens    double precision not null,
  open      bigint not null,
  filled_at timestamptz not null
);

-- How far a run had come, and since when: the scheduler looks every few seconds.
alter table rollcall.run add column progress_mark bigint, add column progress_at timestamptz;

create table rollcall.alert (
  what    text primary key,
  detail  text not null,
  since   timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  told_at timestamptz
);

create table rollcall.recount (
  run_no bigint primary key references rollcall.run on delete cascade
);

-- What kills its worker is found: an owner that is followed by another one without having left in
-- order, or got anywhere, has died.
alter table rollcall.position
  add column claimed_by   text not null default '',
  add column claimed_next bigint not null default 0,
  add column deaths       smallint not null default 0,
  add column trying       bigint;

-- Dry runs are counted apart from what was done. What was counted before this stays in the row that
-- it was counted in.
alter table rollcall.run_total drop constraint run_total_pkey, add primary key (run_id, dry_run);

alter table rollcall.log_gap drop constraint log_gap_how_check;
update rollcall.log_gap set how = 're-created' where how = 'made anew';
alter table rollcall.log_gap add constraint log_gap_how_check
  check (how in ('re-created', 'deleted', 'another cluster'));

insert into rollcall.schema_version (version) values (2);

-- SPDX-License-Identifier: Apache-2.0
-- What a batch plainly decided is one row: see docs/protocol.md, "The ledger's two forms".

-- Chunks of the plan that have a partition have tasks of that partition of their lane's topic only,
-- of so many partitions as the topic had. Without: of any.
alter table rollcall.plan
  add column lane       text,
  add column partition  integer,
  add column partitions integer;
create index plan_of_partition
  on rollcall.plan (run_no, lane, partition, chunk)
  where partition is not null;

-- true: each of its tasks has a row of its own in rollcall.outcome.
alter table rollcall.run add column by_task boolean not null default true;

-- Up to which place of the plan the tasks of that partition were taken: rollcall.place().
alter table rollcall.progress add column place bigint;

create table rollcall.outcome_batch (
  day            date not null,
  run_no         bigint not null,
  chunk          integer not null,
  first          integer not null,
  n              integer not null check (n > 0),
  type_no        smallint not null,
  source_no      integer not null,
  dry_run        boolean not null,
  at             timestamptz not null default now(),
  first_offset   bigint not null,
  offsets        integer[],
  first_sequence bigint not null,
  last_sequence  bigint not null,
  sequences      integer[],
  outcome        smallint[] not null,
  reason         text[],
  before         text[],
  after          text[],
  follow_ups     text[]
) partition by range (day);
create index outcome_batch_source on rollcall.outcome_batch (source_no, last_sequence);
create index outcome_batch_run on rollcall.outcome_batch (run_no, chunk, first);

insert into rollcall.schema_version (version) values (3);

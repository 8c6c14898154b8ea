-- SPDX-License-Identifier: Apache-2.0
-- Least privilege: one PostgreSQL role per program. Run as the owner of schema rollcall with
-- CREATEROLE, after `rollcall db apply` and again after each upgrade; it can be repeated. Then the
-- file of each pack (equipemed.sql, astegni.sql are those of the shipped ones). Passwords are set
-- apart:
--   psql -f rollcall.sql -f equipemed.sql;   \password rollcall_worker
-- The owner itself is needed for `rollcall db apply` and `rollcall check` only.
-- tests/integration/test_roles.py runs everything with these roles.
do $$
declare
  name text;
begin
  foreach name in array array[
    'rollcall_scheduler', 'rollcall_worker', 'rollcall_aggregator', 'rollcall_operator',
    'rollcall_reader'] loop
    if not exists (select from pg_roles where rolname = name) then
      execute format('create role %I login', name);
    end if;
  end loop;
end $$;

-- The scheduler makes the ledger's partition of a day as the owner; nobody else needs to create
-- anything.
alter function rollcall.ensure_day(date) security definer;
alter function rollcall.ensure_day(date) set search_path = pg_catalog, pg_temp;
revoke execute on function rollcall.ensure_day(date) from public;
grant execute on function rollcall.ensure_day(date) to rollcall_scheduler;

grant usage on schema rollcall
  to rollcall_scheduler, rollcall_worker, rollcall_aggregator, rollcall_operator, rollcall_reader;

-- Reading: packs' statements and reports read runs and the ledger, too.
grant select on all tables in schema rollcall
  to rollcall_scheduler, rollcall_worker, rollcall_operator, rollcall_reader;
grant select on rollcall.schema_version, rollcall.job, rollcall.task_type, rollcall.run,
  rollcall.position, rollcall.dead_letter, rollcall.folded,
  rollcall.run_total, rollcall.day_total, rollcall.recent_error, rollcall.log_gap,
  rollcall.outcome, rollcall.outcome_batch, rollcall.outcome_of_batch,
  rollcall.outcome_all to rollcall_aggregator;

grant insert, update on rollcall.lease, rollcall.job, rollcall.run to rollcall_scheduler;
grant insert on rollcall.plan, rollcall.shared_follow_up, rollcall.request to rollcall_scheduler;
grant update (published_at, settled_at, cluster, again) on rollcall.request to rollcall_scheduler;
grant execute on function rollcall.republish_requests(smallint, text) to rollcall_scheduler;

grant insert, update on rollcall.position, rollcall.progress, rollcall.outcome to rollcall_worker;
grant insert on rollcall.outcome_batch to rollcall_worker;
grant execute on function rollcall.lock_runs(bigint[]) to rollcall_worker;
grant execute on function rollcall.keep_by_task(bigint) to rollcall_scheduler, rollcall_worker;
grant insert, update, delete on rollcall.held to rollcall_worker;
grant insert on rollcall.shared_follow_up, rollcall.recount to rollcall_worker;
grant delete on rollcall.recount to rollcall_scheduler;
grant insert on rollcall.request to rollcall_worker; -- what follows on an ad-hoc task
-- a message may name a type that nobody has registered
grant insert on rollcall.dead_letter, rollcall.task_type to rollcall_worker;

-- Requests of services, from their intake topics.
grant insert, update (uncounted_at) on rollcall.request to rollcall_worker;
grant insert, update on rollcall.intake to rollcall_worker;

grant insert, update on rollcall.position, rollcall.folded, rollcall.run_total, rollcall.day_total,
  rollcall.recent_error
  to rollcall_aggregator;
grant delete on rollcall.recent_error to rollcall_aggregator;
grant insert on rollcall.dead_letter, rollcall.log_gap to rollcall_aggregator;

-- Each program records that it is running.
grant insert, update, delete on rollcall.process
  to rollcall_scheduler, rollcall_worker, rollcall_aggregator;
grant select on rollcall.service, rollcall.process, rollcall.process_now, rollcall.lease,
  rollcall.alert, rollcall.paused_type_named
  to rollcall_aggregator;
grant insert, update, delete on rollcall.alert to rollcall_scheduler, rollcall_aggregator;

-- A position that is not in its topic is repaired by who finds it, or by the operator. What was
-- lost is republished by the scheduler and backfilled by the aggregator.
grant insert on rollcall.log_gap to rollcall_worker;
grant update (repaired_at) on rollcall.log_gap to rollcall_scheduler, rollcall_aggregator;

-- Operators write to no table: their requests go through functions that check their rights and keep
-- who asked. No right in Kafka is needed either.
revoke insert, update, delete on all tables in schema rollcall from rollcall_operator;
grant execute on function rollcall.republish_run(uuid, text) to rollcall_operator;
grant execute on function rollcall.quarantine(
  text, text[], text, text, text, text, timestamptz, text, text)
  to rollcall_operator;
grant execute on function rollcall.request_repair(integer, bigint, boolean, bigint, bigint, text)
  to rollcall_operator;
grant execute on function rollcall.request_tasks(
  text, boolean, text, uuid[], text[], text[], text[])
  to rollcall_operator;

-- jobs run; jobs suspend and resume; runs republish; quarantine replay and drop
grant execute on function rollcall.request_run(
  uuid, text, text, timestamptz, jsonb, boolean, boolean, jsonb, text)
  to rollcall_operator;
grant execute on function rollcall.release_run(uuid, text) to rollcall_operator;
grant execute on function rollcall.suspend_jobs(text[], boolean, text, text),
  rollcall.resume_jobs(text[], boolean, text)
  to rollcall_operator;
-- as it was granted before version 2
revoke update (chunks_published, state, published_at, again) on rollcall.run from rollcall_operator;
revoke update (state, tries, due_at, requested_by, updated_at) on rollcall.held
  from rollcall_operator;
revoke update (suspended, suspended_by, suspended_at) on rollcall.job from rollcall_operator;
grant execute on function rollcall.cancel_run(uuid, text, text) to rollcall_operator;

-- Types whose statement fails are paused by a worker, and resumed by one or by the operator; the
-- scheduler then publishes again.
grant insert, update on rollcall.paused_type to rollcall_worker;
grant update (published_again_at) on rollcall.paused_type to rollcall_scheduler;
grant execute on function rollcall.resume_type(text, text) to rollcall_operator;

-- The pack's own objects: approvals, requests and backups, which Astegni's tables have no place
-- for, and the purge of role profiles, whose tables are named by the setting profile_tables: that
-- takes dynamic SQL, one statement per table and batch.
-- Repeatable: `rollcall db apply` runs it each time.
create schema if not exists rollcall_astegni;

-- Which user an operator's database role is: who approves is known by it. The database's
-- administrator keeps it.
create table if not exists rollcall_astegni.operator_identity (
  role_name text primary key,
  user_id   bigint not null unique
);

-- Roles that `requires_role` names, where whoever applies this may create them; else
-- docker/roles/astegni.sql does.
do $$
declare
  name text;
begin
  foreach name in array array['rollcall_astegni_approver', 'rollcall_astegni_backup'] loop
    if not exists (select from pg_roles where rolname = name)
       and (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) then
      execute format('create role %I nologin', name);
    end if;
  end loop;
exception
  when duplicate_object or unique_violation then null; -- made by somebody else just now
end $$;

-- Who requested a deletion, and for when. Users who leave by themselves have no row: they are their
-- own requester.
create table if not exists rollcall_astegni.deletion_request (
  user_id      bigint not null,
  item         text not null,              -- '' the account, else the role
  due_at       timestamptz not null,
  -- the database role, or service, that asked; before version 2 an e-mail address of users
  requested_by text not null,
  requested_at timestamptz not null default now(),
  reason       text not null,
  primary key (user_id, item)
);

alter table rollcall_astegni.deletion_request
  -- what a cancellation gives back
  add column if not exists was_active boolean not null default true,
  add column if not exists inactive_profiles bigint[] not null default '{}';

-- A high-value account goes only with one of these, made for the very date that is scheduled:
-- another date needs another approval.
create table if not exists rollcall_astegni.deletion_approval (
  user_id     bigint not null,
  due_at      timestamptz not null,
  -- the database role that approved; before version 2 an e-mail address of users
  approved_by text not null,
  approved_at timestamptz not null default now(),
  reason      text not null,
  primary key (user_id, due_at)
);

-- A backup is identified by the instant when it was taken.
create table if not exists rollcall_astegni.backup_verified (
  taken_at    timestamptz primary key,
  name        text not null,
  verified_at timestamptz not null,
  recorded_by text not null
);

-- The role that a profile table stands for: "tutor_profiles" is 'tutor'; "coach=trainers" names it.
create or replace function rollcall_astegni.role_of(entry text) returns text
language sql immutable parallel safe
return case
  when position('=' in entry) > 0 then split_part(entry, '=', 1)
  else regexp_replace(entry, '_profiles?$', '')
end;

create or replace function rollcall_astegni.table_of(entry text) returns text
language sql immutable parallel safe
return case when position('=' in entry) > 0 then split_part(entry, '=', 2) else entry end;

-- Profiles whose deletion is scheduled up to `until`.
create or replace function rollcall_astegni.scheduled_roles(entries text[], until timestamptz)
returns table (user_id bigint, role text, due_at timestamptz)
language plpgsql stable as $$
declare
  entry text;
begin
  foreach entry in array entries loop
    return query execute format(
      'select p.user_id, %L::text, min(p.scheduled_deletion_at) from %I p where '
      'p.scheduled_deletion_at <= $1 group by p.user_id',
      rollcall_astegni.role_of(entry), rollcall_astegni.table_of(entry)) using until;
  end loop;
end $$;

-- Deletes the due profiles of these (user, role) pairs and takes the role from those who have no
-- other profile of it. Each condition is read again by the deleting statement itself: a
-- cancellation that committed meanwhile wins.
-- Was it a schedule that began the run? What a person requested, a run by hand or a single task, is
-- not automated.
create or replace function rollcall_astegni.automated(of_run uuid) returns boolean
language sql stable as $$
  select of_run is not null
    and coalesce((select cause <> 'manual' from rollcall.run where run_id = of_run), true)
$$;

create or replace function rollcall_astegni.purge_roles(
  entries text[], subjects bigint[], roles_due text[], at timestamptz, automatic boolean)
returns table (user_id bigint, role text, profiles bigint)
language plpgsql volatile as $$
declare
  entry text;
  role_name text;
begin
  perform from users u where u.id = any (subjects) order by u.id for update;
  foreach entry in array entries loop
    role_name := rollcall_astegni.role_of(entry);
    continue when role_name <> all (roles_due);
    return query execute format($sql$
      with wanted as (
        select w.user_id from unnest($1, $2) w(user_id, role) where w.role = %1$L
      ), gone as (
        delete from %2$I p using wanted w
        where p.user_id = w.user_id and p.scheduled_deletion_at <= $3
        returning p.id, p.user_id
      ), owner as (
        select g.user_id, count(*) as profiles from gone g group by g.user_id
      ), stripped as (
        update users u set roles = array_remove(u.roles, %1$L)
        from owner o
        where u.id = o.user_id
          and not exists (
            select from %2$I p
            where p.user_id = o.user_id and not exists (select from gone g where g.id = p.id)
          )
      ), logged as (
        insert into deletion_audit_log (deletion_type, user_id, user_email, role_name, automated)
        select 'role', o.user_id, u.email, %1$L, $4 from owner o join users u on u.id = o.user_id
      )
      select o.user_id, %1$L::text, o.profiles from owner o
    $sql$, role_name, rollcall_astegni.table_of(entry)) using subjects, roles_due, at, automatic;
  end loop;
end $$;

-- One user's profiles of a role that are not active although nothing is scheduled. Stable: as
-- things were before the statement that asks.
create or replace function rollcall_astegni.inactive_profiles(
  entries text[], subject bigint, role_name text)
returns bigint[] language plpgsql stable as $$
declare
  entry text;
  found bigint[];
begin
  foreach entry in array entries loop
    continue when rollcall_astegni.role_of(entry) <> role_name;
    execute format(
      'select array_agg(p.id) from %I p where p.user_id = $1 and not p.is_active and '
      'p.scheduled_deletion_at is null',
      rollcall_astegni.table_of(entry)) into found using subject;
  end loop;
  return coalesce(found, '{}');
end $$;

-- Sets or clears the date of one user's role; due_at null cancels, but only before the old date,
-- and leaves those of `inactive` inactive. The number of profiles that were changed.
drop function if exists rollcall_astegni.schedule_role(
  text[], bigint, text, timestamptz, timestamptz);
create or replace function rollcall_astegni.schedule_role(
  entries text[], subject bigint, role_name text, due_at timestamptz, now timestamptz,
  inactive bigint[])
returns bigint language plpgsql volatile as $$
declare
  entry text;
  changed bigint;
begin
  foreach entry in array entries loop
    continue when rollcall_astegni.role_of(entry) <> role_name;
    execute format('
      update %I p
      set scheduled_deletion_at = $1, is_active = $1 is null and p.id <> all ($4)
      where p.user_id = $2
        and case
          when $1 is null then p.scheduled_deletion_at > $3
          else p.scheduled_deletion_at is null or p.scheduled_deletion_at > $3
        end',
      rollcall_astegni.table_of(entry)) using due_at, subject, now, inactive;
    get diagnostics changed = row_count;
    return changed;
  end loop;
  return null;
end $$;

-- What a run deleted, from Rollcall's ledger.
create or replace function rollcall_astegni.purge_tally(of_run bigint, of_day date)
returns table (roles bigint, accounts bigint, waiting bigint, failed bigint)
language sql stable as $$
  select count(*) filter (where o.type = 'astegni.purge-role' and o.outcome = 'applied'),
         count(*) filter (where o.type = 'astegni.purge-account' and o.outcome = 'applied'),
         count(*) filter (
           where o.type = 'astegni.purge-account' and o.outcome = 'skipped'
             and o.reason like 'high-value%'),
         count(*) filter (
           where o.type in ('astegni.purge-role', 'astegni.purge-account')
             and o.outcome in ('failed', 'quarantined'))
  from rollcall.outcome_named o
  where o.run_no = of_run and o.day = of_day
$$;

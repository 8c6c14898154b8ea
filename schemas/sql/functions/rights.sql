-- SPDX-License-Identifier: Apache-2.0
-- May the session's user act for somebody else?
create or replace function rollcall.may_act_for_others() returns boolean language sql stable as $$
  select exists (
    select from rollcall.authority a
    join pg_roles r on r.rolname = a.role_name
    where a.right_name = 'act_for_others' and pg_has_role(session_user, r.oid, 'member')
  )
$$;

create or replace function rollcall.check_on_behalf_of(on_behalf_of text) returns void
language plpgsql stable as $$
begin
  if nullif(on_behalf_of, '') is not null and on_behalf_of <> session_user
     and not rollcall.may_act_for_others() then
    raise exception '% may not act for others', session_user
      using errcode = 'insufficient_privilege',
        hint = 'name a role of this user in security.act_for_others, then run: rollcall db apply';
  end if;
end $$;

-- Who asks, as it is shown to people: "carla", or "carla for ana".
create or replace function rollcall.asked_by(on_behalf_of text) returns text
language sql stable as $$
  select session_user
    || coalesce(' for ' || nullif(nullif(on_behalf_of, ''), session_user::text), '')
$$;

-- Is the session's user a member of that role? `what` needs it. Null: nothing is needed.
create or replace function rollcall.check_role(requires_role text, what text) returns void
language plpgsql stable as $$
begin
  if requires_role is null then
    return;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = requires_role) then
    raise exception '% needs the role "%", which this database does not have', what, requires_role
      using errcode = 'insufficient_privilege',
        hint = 'create the role and grant it to those who may do this';
  end if;
  if not pg_catalog.pg_has_role(session_user, requires_role, 'member') then
    raise exception '% needs the role "%", which % is not a member of', what, requires_role,
      session_user
      using errcode = 'insufficient_privilege';
  end if;
end $$;

-- What a job's types need, its run needs.
create or replace function rollcall.check_job_roles(of_pack text, of_job text) returns void
language plpgsql stable as $$
declare
  needed text;
begin
  for needed in
    select unnest(requires_roles) from rollcall.job where pack = of_pack and job = of_job
  loop
    perform rollcall.check_role(needed, of_pack || '.' || of_job);
  end loop;
end $$;

-- Records who requests what: every function that carries an operator's request calls it first.
-- Callers are SECURITY DEFINER; session_user is still who logged in.
create or replace function rollcall.file_request(
  kind text, about text, detail jsonb, on_behalf_of text)
returns bigint language plpgsql as $$
#variable_conflict use_variable
declare
  filed bigint;
begin
  perform rollcall.check_on_behalf_of(on_behalf_of);
  insert into rollcall.request (kind, actor, on_behalf_of, origin, about, detail, published_at)
  values (
    kind, session_user, nullif(on_behalf_of, ''), 'operator', about, coalesce(detail, '{}'),
    clock_timestamp())
  returning request_no into filed;
  return filed;
end $$;
revoke execute on function rollcall.file_request(text, text, jsonb, text) from public;

-- The pack's own objects. EquipeMed's tables get no column: what the pack must remember stands
-- here, and the rules that more than one file needs stand here once. The functions are plain SQL
-- expressions, so that PostgreSQL inlines them and indexes stay usable (one that computes with an
-- interval has to be `stable` for that, not `immutable`).
-- Repeatable: `rollcall db apply` runs it each time.
create schema if not exists rollcall_equipemed;

-- A warning is (user, expiry date, threshold): it is sent once. A run claims it before the mail
-- goes out, so that two runs never send it both; a claim that led to nothing is free again after a
-- while.
create table if not exists rollcall_equipemed.warning (
  user_id            bigint not null,
  expires_on         date not null,        -- in the pack's time zone
  threshold          integer not null,     -- days
  claimed_by         uuid,                 -- run; null: ad-hoc
  claimed_at         timestamptz not null,
  sent_at            timestamptz,
  supervisor_sent_at timestamptz,
  primary key (user_id, expires_on, threshold)
);

create table if not exists rollcall_equipemed.emergency_access (
  id                  bigint generated always as identity primary key,
  user_id             bigint not null,
  granted_at          timestamptz not null,
  until               timestamptz not null,
  granted_by          bigint not null,
  reason              text not null,
  previous_status     text not null,
  previous_expires_at timestamptz,
  previous_is_active  boolean not null
);
-- When the former state was given back, or a later grant took over. Grants of before this column
-- are over.
alter table rollcall_equipemed.emergency_access
  add column if not exists ended_at timestamptz default '-infinity';
alter table rollcall_equipemed.emergency_access alter column ended_at drop default;
create index if not exists emergency_access_open
  on rollcall_equipemed.emergency_access (user_id)
  where ended_at is null;
create index if not exists emergency_access_user
  on rollcall_equipemed.emergency_access (user_id, granted_at);

-- The first instant of a day, `plus` days after d, in a time zone: lets a calendar rule use an
-- index on an instant.
create or replace function rollcall_equipemed.day_start(d date, plus bigint, zone text)
returns timestamptz
language sql immutable parallel safe
return (d + plus::integer)::timestamp at time zone zone;

-- 'infinity' never comes, '-infinity' is long past.
create or replace function rollcall_equipemed.days_left(
  expires_at timestamptz, today date, zone text)
returns integer
language sql immutable parallel safe
return case
  when isfinite(expires_at) then (expires_at at time zone zone)::date - today
  when expires_at > 'epoch' then 1000000000
  else -1000000000
end;

-- What a user's status should be, `days` before the expiry (negative: after it).
-- rule 'literal' is seed 002's: everybody past the date expires, whatever the status; an expired
-- user stays so.
-- rule 'ruling' leaves suspended, departed and renewal_required users alone and takes an expired
-- user back whose date was moved.
create or replace function rollcall_equipemed.next_status(
  status text, days integer, soon bigint, rule text)
returns text
language sql immutable parallel safe
return case
  when days < 0 then
    case
      when rule = 'literal' or status in ('active', 'expiring_soon', 'inactive') then 'expired'
      else status
    end
  when days <= soon then
    case
      when status = 'active' or (status = 'expired' and rule <> 'literal') then 'expiring_soon'
      else status
    end
  else
    case
      when status = 'expiring_soon' or (status = 'expired' and rule <> 'literal') then 'active'
      else status
    end
end;

-- The status after an administrator moved the date: by the date alone, except that a date lifts no
-- suspension and makes nobody active who never comes.
create or replace function rollcall_equipemed.status_after_extension(
  status text, days integer, soon bigint)
returns text
language sql immutable parallel safe
return case
  when status in ('inactive', 'suspended') then status
  when days < 0 then 'expired'
  when days <= soon then 'expiring_soon'
  else 'active'
end;

-- The warning that is due `days` before the expiry: the tightest threshold that has been reached.
-- One row, or none.
create or replace function rollcall_equipemed.warning_due(
  expires_at timestamptz, today date, zone text, thresholds bigint[])
returns table (expires_on date, days integer, threshold integer)
language sql immutable parallel safe
begin atomic
  select (expires_at at time zone zone)::date,
         rollcall_equipemed.days_left(expires_at, today, zone), min(t)::integer
  from unnest(thresholds) t
  where t >= rollcall_equipemed.days_left(expires_at, today, zone)
    and rollcall_equipemed.days_left(expires_at, today, zone) >= 0
  having count(*) > 0;
end;

-- dedupe '7d', seed 002's literal rule: on exactly N days, and not within 7 days of any other
-- warning. 'warning': no more than the identity.
create or replace function rollcall_equipemed.warning_wanted(
  dedupe text, days integer, threshold integer, last_sent timestamptz, now timestamptz)
returns boolean language sql stable parallel safe
return dedupe <> '7d'
  or (days = threshold and (last_sent is null or last_sent <= now - 7 * interval '24 hours'));

create or replace function rollcall_equipemed.largest(numbers bigint[]) returns bigint
language sql immutable parallel safe
begin atomic
  select max(n) from unnest(numbers) n;
end;

-- Ruling 4: who was never active counts from the account's creation.
create or replace function rollcall_equipemed.last_activity(
  activity timestamptz, joined timestamptz)
returns timestamptz
language sql immutable parallel safe
return coalesce(activity, joined);

create or replace function rollcall_equipemed.profession_of(role text) returns smallint
language sql immutable parallel safe
return case role when 'resident' then 1 when 'student' then 4 end::smallint;

create or replace function rollcall_equipemed.in_role(profession smallint, role text)
returns boolean
language sql immutable parallel safe
return role = 'all' or profession = rollcall_equipemed.profession_of(role);

-- Nobody whose profession is in `never` (doctors and nurses); who has no profession is not one of
-- them.
create or replace function rollcall_equipemed.to_mark_inactive(
  is_active boolean, status text, activity timestamptz, joined timestamptz, profession smallint,
  now timestamptz, days bigint, never bigint[])
returns boolean language sql stable parallel safe
return is_active and status = 'active'
  and rollcall_equipemed.last_activity(activity, joined) < now - days * interval '24 hours'
  and (profession is null or profession <> all (never));

-- Staff are never suspended. Who is still active, but to be marked inactive, is suspended by the
-- same run when they have been away long enough for both; who is never marked inactive is not.
drop function if exists rollcall_equipemed.to_suspend(
  boolean, text, timestamptz, timestamptz, boolean, timestamptz, bigint);
create or replace function rollcall_equipemed.to_suspend(
  is_active boolean, status text, activity timestamptz, joined timestamptz, is_staff boolean,
  profession smallint, now timestamptz, days bigint,
  inactivity_days bigint, never bigint[])
returns boolean language sql stable parallel safe
return is_active and not is_staff
  and rollcall_equipemed.last_activity(activity, joined) < now - days * interval '24 hours'
  and (
    status = 'inactive'
    or rollcall_equipemed.to_mark_inactive(
      is_active, status, activity, joined, profession, now, inactivity_days, never));

create or replace function rollcall_equipemed.profession_name(profession smallint) returns text
language sql immutable parallel safe
return case profession
  when 0 then 'Médico'
  when 1 then 'Residente'
  when 2 then 'Enfermeiro'
  when 3 then 'Fisioterapeuta'
  when 4 then 'Estudante'
  else 'Não informada'
end;

create or replace function rollcall_equipemed.full_name(
  first_name text, last_name text, username text)
returns text
language sql immutable parallel safe
return coalesce(nullif(trim(first_name || ' ' || last_name), ''), username);

-- Why no mail can go to an address; null: it can. Rollcall itself checks again, more strictly,
-- before a message is made.
create or replace function rollcall_equipemed.address_problem(address text) returns text
language sql immutable parallel safe
return case
  when coalesce(address, '') = '' then 'no mail address'
  when octet_length(address) > 254
    or address !~ '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*'
      '@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$'
  then 'invalid mail address'
end;

create or replace function rollcall_equipemed.in_days(days integer) returns text
language sql immutable parallel safe
return case days when 0 then 'hoje' when 1 then 'em 1 dia' else 'em ' || days || ' dias' end;

create or replace function rollcall_equipemed.threshold_name(threshold integer) returns text
language sql immutable parallel safe
return threshold || case threshold when 1 then ' day' else ' days' end;

create or replace function rollcall_equipemed.show(status text, expires_at timestamptz, zone text)
returns text
language sql stable parallel safe
return status || ', '
  || case
    when expires_at = '-infinity' then 'expired'
    else coalesce(
      'expires ' || to_char(expires_at at time zone zone, 'DD/MM/YYYY HH24:MI'), 'never expires')
  end;

-- An instant with the zone's offset, as ISO 8601.
create or replace function rollcall_equipemed.iso(t timestamptz, zone text) returns text
language sql stable parallel safe
return to_char(t at time zone zone, 'YYYY-MM-DD"T"HH24:MI:SS')
  || case when t at time zone zone < t at time zone 'UTC' then '-' else '+' end
  || to_char(
    greatest(
      (t at time zone zone) - (t at time zone 'UTC'), (t at time zone 'UTC') - (t at time zone zone)
    ),
    'HH24:MI');

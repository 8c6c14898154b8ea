-- SPDX-License-Identifier: Apache-2.0
-- Fills the demo's tables: :people staff members in schema equipemed, a tenth as many users in
-- schema astegni. Everything follows from the row number (no random()), the dates lie around :at,
-- so two runs on one day make the same people. Linear: a million takes a minute or so.
--   psql -v people=20000 -f schema-equipemed.sql -f schema-astegni.sql -f people.sql
\if :{?people}
\else
  \set people 20000
\endif
\if :{?at}
\else
  select now() as at \gset
\endif
begin;
set local timezone = 'America/Sao_Paulo';
set local client_min_messages = warning;
set local jit = off;

-- A number from 0 to `below` - 1 that looks random but is not.
create function pg_temp.pick(n bigint, salt integer, below integer) returns integer
language sql immutable parallel safe
return ((hashint8extended(n, salt) & 1152921504606846975) % below)::integer;

-- ---- EquipeMed ----------------------------------------------------------------------------------
-- Number 1 is the administrator; every twentieth is a doctor who supervises others. The daily check
-- has not run for ten days.
set local search_path = equipemed;

create temp table name_list on commit drop as
select
  array[
    'Ana', 'João', 'Maria', 'José', 'Beatriz', 'Pedro', 'Camila', 'Lucas', 'Fernanda', 'Gabriel',
    'Juliana', 'Rafael', 'Larissa', 'Mateus', 'Patrícia', 'Felipe', 'Letícia', 'Thiago',
    'Mariana', 'Bruno', 'Aline', 'André', 'Bruna', 'Caio', 'Conceição', 'Diego', 'Débora',
    'Eduardo', 'Eliane', 'Fábio', 'Flávia', 'Guilherme', 'Helena', 'Henrique', 'Isabela', 'Ivan',
    'Joana', 'Leonardo', 'Lívia', 'Luís', 'Márcia', 'Marcelo', 'Natália', 'Otávio', 'Paula',
    'Renato', 'Rosângela', 'Sérgio', 'Simone', 'Vinícius'
  ] as given,
  array[
    'Silva', 'Santos', 'Oliveira', 'Souza', 'Rodrigues', 'Ferreira', 'Alves', 'Pereira', 'Lima',
    'Gomes', 'Costa', 'Ribeiro', 'Martins', 'Carvalho', 'Almeida', 'Lopes', 'Soares', 'Fernandes',
    'Vieira', 'Barbosa', 'Rocha', 'Dias', 'Nascimento', 'Andrade', 'Moreira', 'Nunes', 'Marques',
    'Machado', 'Mendes', 'Freitas', 'Cardoso', 'Ramos', 'Gonçalves', 'Santana', 'Teixeira',
    'Araújo', 'Conceição', 'Assunção', 'd''Ávila', 'Queirós'
  ] as family;

create temp table made on commit drop as
with drawn as (
  select n, given[1 + pg_temp.pick(n, 1, 50)] as first_name,
         family[1 + pg_temp.pick(n, 2, 40)] || case
           when pg_temp.pick(n, 3, 2) = 0 then ' ' || family[1 + pg_temp.pick(n, 9, 40)]
           else ''
         end as last_name,
         case
           when n = 1 or n % 20 = 0 then 0
           else (array[0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4, 4, 4, 4])
                [1 + pg_temp.pick(n, 4, 20)]
         end as profession,
         pg_temp.pick(n, 5, 730) - 365 as expires_in, pg_temp.pick(n, 6, 100) as fate,
         pg_temp.pick(n, 7, 100) as presence,
         pg_temp.pick(n, 8, 1440) as minute_of_day
  from generate_series(1, :people) n
  cross join name_list
), dated as (
  select *,
         case
           when n = 1 or (profession in (0, 2) and fate < 60) or (profession = 3 and fate < 20)
             then null
           else date_trunc('day', :'at'::timestamptz) + expires_in * interval '1 day'
                + case when minute_of_day < 300 then 1410 else minute_of_day end
                  * interval '1 minute'
         end as expires_at,
         :'at'::timestamptz - (800 + pg_temp.pick(n, 10, 900)) * interval '1 day' as joined,
         case
           when n = 1 or presence < 88
             then :'at'::timestamptz - pg_temp.pick(n, 11, 30 * 1440) * interval '1 minute'
           when presence < 94
             then :'at'::timestamptz - (30 + pg_temp.pick(n, 12, 60)) * interval '1 day'
           when presence < 99
             then :'at'::timestamptz - (90 + pg_temp.pick(n, 13, 160)) * interval '1 day'
         end as seen
  from drawn
)
select n as id,
       case n
         when 1 then 'admin'
         else lower(
           translate(
             split_part(first_name, ' ', 1) || '.' || split_part(last_name, ' ', 1),
             'ãâáàçéêíóôõúÁ''', 'aaaaceeiooouA'))
           || '.' || n
       end as username,
       first_name, last_name, case when n % 499 = 0 then null else profession end as profession,
       expires_at, joined, seen,
       case
         when n = 1 then 'active'
         when fate = 96 then 'suspended'
         when fate in (97, 98) then 'departed'
         when fate = 99 then 'renewal_required'
         -- the date was moved
         when fate = 95 and expires_in > 31
           then case when n % 2 = 0 then 'expiring_soon' else 'expired' end
         when fate in (93, 94) and seen < :'at'::timestamptz - interval '90 days' then 'inactive'
         when expires_at is null then 'active'
         when expires_in < -10 then 'expired'
         when expires_in <= 20 then 'expiring_soon'
         else 'active'
       end as status
from dated;

insert into accounts_eqmdcustomuser (
  id, username, email, first_name, last_name, profession_type, is_active, is_staff, is_superuser,
  date_joined, last_login, account_status, access_expires_at, last_meaningful_activity,
  supervisor_id)
select id, username,
       username || case id % 3
         when 0 then '@hospital.example.com'
         when 1 then '@example.com'
         else '@uni.example.org'
       end,
       first_name, last_name, profession, id % 101 <> 100, id = 1 or id % 400 = 20, id = 1, joined,
       seen, status, expires_at, seen,
       case
         when profession in (1, 4) and :people >= 20
           then 20 * (1 + pg_temp.pick(id, 20, :people / 20))
       end
from made
order by id;
select setval(pg_get_serial_sequence('accounts_eqmdcustomuser', 'id'), :people) \g /dev/null

insert into accounts_historicaleqmdcustomuser (
  history_date, history_change_reason, history_type, id, username, account_status, access_expires_at
)
select joined, 'Created', '+', id, username, 'active', null from made
union all
select least(
         coalesce(expires_at, :'at') + interval '6 hours', :'at'::timestamptz - interval '10 days'),
       'Auto-updated by expiration checker: active -> ' || status,
       '~', id, username, status, expires_at
from made where status in ('expired', 'expiring_soon');

insert into core_accountrenewalrequest (
  user_id, status, requested_days, justification, created_at, reviewed_at, reviewed_by_id,
  review_notes)
select id, state, 30 * (1 + pg_temp.pick(id, 31, 6)), 'Continuo vinculado ao serviço.', created,
       case when state <> 'pending' then created + pg_temp.pick(id, 33, 96) * interval '1 hour' end,
       case when state <> 'pending' then 1 end,
       case state when 'denied' then 'Vínculo encerrado.' else '' end
from (
  select id,
         (array['pending', 'approved', 'approved', 'denied'])[1 + pg_temp.pick(id, 30, 4)] as state,
         :'at'::timestamptz - pg_temp.pick(id, 32, 900) * interval '1 day' as created
  from made
  where profession in (1, 4) and id % 17 = 3
) r;

-- Broken on purpose, among those whose turn it is: no address, bad addresses, and two rows that no
-- statement can change.
create temp table unlucky on commit drop as
select id, row_number() over (order by id) as place, expires_at > :'at' as warned
from (
  (
    select id, expires_at
    from made
    where status in ('active', 'expiring_soon') and id % 101 <> 100
      and expires_at between :'at'::timestamptz + interval '1 day'
                         and :'at'::timestamptz + interval '29 days'
    order by id
    limit 6
  )
  union all
  (
    select id, expires_at
    from made
    where status in ('active', 'expiring_soon') and id % 101 <> 100
      and expires_at between :'at'::timestamptz - interval '9 days'
                         and :'at'::timestamptz - interval '2 days'
    order by id
    limit 2
  )
) u;
update accounts_eqmdcustomuser u
set email = (array[
  '', '', '', 'sem-arroba.example.com', 'dois@@example.com', 'com espaco@example.com'
])[b.place]
from (select id, row_number() over (order by id) as place from unlucky where warned) b
where u.id = b.id;
update accounts_eqmdcustomuser u
set username = 'bloqueado.' || u.id
from unlucky b
where u.id = b.id and not b.warned;

create function registro_bloqueado() returns trigger language plpgsql as $$
begin
  raise exception 'registro bloqueado';
end $$;
create trigger registro_bloqueado before update of account_status on accounts_eqmdcustomuser
for each row when (old.username like 'bloqueado.%') execute function registro_bloqueado();

-- ---- Astegni ------------------------------------------------------------------------------------
-- Number 1 and 2 are administrators. One in 16 roles and one in 40 accounts is on its way out, half
-- of them past their grace.
set local search_path = astegni;

create temp table leaver on commit drop as
select n,
       (array[
         'Abebe', 'Tigist', 'Kebede', 'Hiwot', 'Dawit', 'Selam', 'Yonas', 'Meron', 'Bekele',
         'Hanna', 'Getachew', 'Rahel', 'Tesfaye', 'Marta', 'Alemu', 'Sara', 'Haile', 'Bethlehem',
         'Girma', 'Liya'
       ])[1 + pg_temp.pick(n, 41, 20)] as first_name,
       case
         when n <= 2 then array['admin']
         else (array['student', 'tutor', 'parent', 'advertiser'])[
           1 + pg_temp.pick(n, 42, 4)
           : least(4, 1 + pg_temp.pick(n, 42, 4) + pg_temp.pick(n, 43, 2))]
       end as roles,
       case
         when n > 2 and n % 40 = 7
           then :'at'::timestamptz + (pg_temp.pick(n, 44, 40) - 20) * interval '1 day'
                - interval '1 hour'
       end as account_goes,
       case
         when n > 2 and n % 16 = 5
           then :'at'::timestamptz + (pg_temp.pick(n, 45, 60) - 30) * interval '1 day'
                - interval '1 hour'
       end as role_goes
from generate_series(1, greatest(:people / 10, 100)) n;

insert into users (
  id, first_name, email, roles, is_active, high_value, scheduled_deletion_at, created_at)
select n, first_name,
       case n
         when 1 then 'admin@astegni.example.com'
         when 2 then 'second.admin@astegni.example.com'
         else lower(first_name) || '.' || n || '@astegni.example.com'
       end,
       roles, account_goes is null, n > 2 and n % 280 = 47, account_goes,
       :'at'::timestamptz - (100 + pg_temp.pick(n, 46, 800)) * interval '1 day'
from leaver order by n;
select setval(pg_get_serial_sequence('users', 'id'), (select max(id) from users)) \g /dev/null

-- A leaver's first role goes, others stay.
insert into student_profiles (user_id, is_active, scheduled_deletion_at)
select n, role_goes is null or roles[1] <> 'student',
       case when roles[1] = 'student' then role_goes end
from leaver
where 'student' = any (roles)
order by n;
insert into tutor_profiles (user_id, is_active, scheduled_deletion_at)
select n, role_goes is null or roles[1] <> 'tutor', case when roles[1] = 'tutor' then role_goes end
from leaver
where 'tutor' = any (roles)
order by n;
insert into parent_profiles (user_id, is_active, scheduled_deletion_at)
select n, role_goes is null or roles[1] <> 'parent',
       case when roles[1] = 'parent' then role_goes end
from leaver
where 'parent' = any (roles)
order by n;
insert into advertiser_profiles (user_id, is_active, scheduled_deletion_at)
select n, role_goes is null or roles[1] <> 'advertiser',
       case when roles[1] = 'advertiser' then role_goes end
from leaver
where 'advertiser' = any (roles)
order by n;
insert into tutor_sessions (tutor_profile_id, held_at)
select p.id, :'at'::timestamptz - s * interval '9 days'
from tutor_profiles p
cross join generate_series(1, 3) s;

-- The first tutor profile that is due cannot be deleted.
create table bloqueado as
select id as profile_id from tutor_profiles where scheduled_deletion_at < :'at' order by id limit 1;
create function registro_bloqueado() returns trigger language plpgsql as $$
begin
  if exists (select from astegni.bloqueado where profile_id = old.id) then
    raise exception 'registro bloqueado';
  end if;
  return old;
end $$;
create trigger registro_bloqueado before delete on tutor_profiles
for each row when (old.scheduled_deletion_at is not null) execute function registro_bloqueado();

commit;
analyze equipemed.accounts_eqmdcustomuser, equipemed.accounts_historicaleqmdcustomuser,
  equipemed.core_accountrenewalrequest;
analyze astegni.users, astegni.student_profiles, astegni.tutor_profiles, astegni.parent_profiles,
  astegni.advertiser_profiles;

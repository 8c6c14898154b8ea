-- SPDX-License-Identifier: Apache-2.0
-- The bench pack's table, and the audit table of the batch job that it is measured against. :people
-- of them, :due of them due, spread evenly.
create schema bench;
create table bench.person (
  id         bigint primary key,
  name       text not null,
  status     text not null,
  expires_at timestamptz not null
);
create table bench.audit (
  id         uuid primary key default gen_random_uuid(),
  person_id  bigint not null,
  action     text not null,
  old_status text not null,
  new_status text not null,
  actor      text not null,
  at         timestamptz not null default now()
);
insert into bench.person
select n, 'Person number ' || n, 'active',
       case
         when n % greatest(1, :people / :due) = 0 then timestamptz '2025-01-01'
         else '2100-01-01'
       end
from generate_series(1, :people) n;

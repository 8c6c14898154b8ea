-- SPDX-License-Identifier: Apache-2.0
-- Which of our tables is missing, or which privilege on one: those of the catalogue, and those that
-- our schema makes ($1).
with t as (
  select relname::text as name
  from pg_class
  where relnamespace = 'rollcall'::regnamespace and relkind in ('r', 'p') and not relispartition
  union
  select unnest($1::text[])
), found as (
  select name, to_regclass('rollcall.' || quote_ident(name)) as id from t
)
select f.name, f.id is null,
       coalesce(string_agg(p.name, ', ' order by p.name)
                filter (where f.id is not null and not has_table_privilege(f.id, p.name)), '')
from found f, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) as p(name)
group by f.name, f.id
order by f.name

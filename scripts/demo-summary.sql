-- SPDX-License-Identifier: Apache-2.0
-- What the demo's runs did, on a page: read from the ledger's view, as any report may.
\pset tuples_only on
\pset format unaligned
\set line 'format(\'  %-26s %7s   %s\', '

select :line 'access expired', count(*),
    'such as ' || string_agg(
      format('%s (%s)', username, to_char(expires, 'DD/MM')), ', ' order by n
    ) filter (where n <= 3))
from (
  select u.username, u.access_expires_at at time zone 'America/Sao_Paulo' as expires,
         row_number() over (order by u.access_expires_at desc, u.id) as n
  from rollcall.outcome_named o
  join equipemed.accounts_eqmdcustomuser u on u.id = o.subject::bigint
  where o.type = 'equipemed.check-expiration' and o.outcome = 'applied' and o.after = 'expired'
) e;

select :line case after
      when 'active' then 'date moved, active again'
      else replace(after, '_', ' ')
    end, count(*), reason)
from (
  select after,
         case after
           when 'active' then 'were expired or expiring soon'
           else 'within 30 days'
         end as reason
  from rollcall.outcome_named
  where type = 'equipemed.check-expiration' and outcome = 'applied' and after <> 'expired'
) c
group by after, reason
order by count(*) desc;

select :line 'warned by mail', sum(n),
    string_agg(format('%s: %s', reason, n), ' · ' order by days desc))
from (
  select reason, split_part(item, '/', 2)::integer as days, count(*) as n
  from rollcall.outcome_named
  where type = 'equipemed.warn-expiration' and outcome = 'applied'
  group by 1, 2
) t
union all
select :line 'their supervisors told', count(*), 'each in a mail of its own wording')
from rollcall.outcome_named
where type = 'equipemed.warn-supervisor' and outcome = 'applied';

select :line after, count(*), substring(min(reason) from 'no activity.*'))
from rollcall.outcome_named
where type in ('equipemed.mark-inactive', 'equipemed.auto-suspend') and outcome = 'applied'
group by after
order by after;

select :line 'roles purged', sum(n), string_agg(format('%s: %s', item, n), ' · ' order by item))
from (
  select item, count(*) as n
  from rollcall.outcome_named
  where type = 'astegni.purge-role' and outcome = 'applied'
  group by 1
) r
union all
select :line 'accounts purged', count(*), 'their grace period was over')
from rollcall.outcome_named
where type = 'astegni.purge-account' and outcome = 'applied';

select :line outcome, count(*),
    format('%s: %s', regexp_replace(type, '.*[.]', ''), reason)
    || coalesce(
      ', such as user '
      || (array_agg(subject order by subject collate "C") filter (where subject ~ '^[0-9]+$'))[1],
      ''))
from rollcall.outcome_named
where outcome <> 'applied' and type not like '%webhook'
group by outcome, type, reason
order by outcome desc, type, reason;

with person as (
  select profession_type, account_status, last_meaningful_activity as seen, last_login, date_joined,
         case
           when isfinite(rollcall_equipemed.last_activity(last_meaningful_activity, date_joined))
             then extract(
               epoch from :now - rollcall_equipemed.last_activity(
                 last_meaningful_activity, date_joined)) / 86400
         end as days
  from accounts_eqmdcustomuser
  where is_active
), tally as (
  select profession_type, account_status,
         case
           when days < 7 then 0
           when days < 30 then 1
           when days < 90 then 2
           when days < 180 then 3
           else 4
         end as band,
         count(*) as users,
         count(*) filter (where seen is null) as never_active,
         count(*) filter (where last_login is null) as never_logged_in,
         count(*) filter (where date_joined >= :now - interval '30 days') as joined_30,
         sum(days) as days
  from person
  group by 1, 2, 3
), by_profession as (
  select profession_type, sum(users) as users, sum(users) filter (where band <= 1) as seen_30,
         sum(users) filter (where band >= 3) as away_90,
         sum(never_active) as never_active, sum(days) as days
  from tally
  group by 1
), by_status as (
  select account_status, sum(users) as users, sum(users) filter (where band <= 1) as seen_30,
         sum(users) filter (where band >= 3) as away_90
  from tally
  group by 1
), band as (
  select n, label, (select coalesce(sum(users), 0) from tally where tally.band = n) as users
  from unnest(
    array['under 7 days', '7 to 29 days', '30 to 89 days', '90 to 179 days', '180 days and more']
  ) with ordinality as l(label, ord)
  cross join lateral (select ord::integer - 1 as n) x
)
select json_build_object(
  'generated_at', rollcall_equipemed.iso(:now, :time_zone),
  'total_active_users', (select coalesce(sum(users), 0) from tally),
  'never_active', (select coalesce(sum(never_active), 0) from tally),
  'never_logged_in', (select coalesce(sum(never_logged_in), 0) from tally),
  'joined_last_30_days', (select coalesce(sum(joined_30), 0) from tally),
  'since_last_activity', (
    select json_agg(json_build_object('since', label, 'users', users) order by n) from band
  ),
  'by_profession', (select coalesce(json_agg(json_build_object(
       'profession', rollcall_equipemed.profession_name(profession_type), 'users', users,
       'active_last_30_days', coalesce(seen_30, 0),
       'away_90_days', coalesce(away_90, 0), 'never_active', never_active,
       'average_days_away', round((days / users)::numeric, 1))
       order by profession_type), '[]') from by_profession),
  'by_status', (select coalesce(json_agg(json_build_object(
       'status', account_status, 'users', users, 'active_last_30_days', coalesce(seen_30, 0),
       'away_90_days', coalesce(away_90, 0))
       order by account_status), '[]') from by_status)) as document

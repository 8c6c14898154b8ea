-- One pass over the users in use, one over the renewal requests; the names are those of EquipeMed's
-- own lifecycle_report.
with tally as (
  select account_status, profession_type,
         count(*) as users,
         count(*) filter (where access_expires_at < :now) as expired,
         count(*) filter (
           where access_expires_at between :now and :now + interval '7 days') as next_7,
         count(*) filter (
           where access_expires_at between :now and :now + interval '30 days') as next_30,
         count(*) filter (
           where access_expires_at between :now and :now + interval '90 days') as next_90,
         count(*) filter (
           where access_expires_at between :now and :now + :days_ahead * interval '1 day'
         ) as in_period,
         count(*) filter (where last_meaningful_activity >= :now - interval '7 days') as seen_7,
         count(*) filter (where last_meaningful_activity >= :now - interval '30 days') as seen_30,
         count(*) filter (where last_meaningful_activity >= :now - interval '90 days') as seen_90,
         count(*) filter (where last_meaningful_activity < :now - interval '90 days') as away_90,
         count(*) filter (where last_meaningful_activity < :now - interval '180 days') as away_180,
         count(*) filter (where last_meaningful_activity is null) as never
  from accounts_eqmdcustomuser
  where is_active
  group by 1, 2
), total as (
  select coalesce(sum(users), 0) as users, coalesce(sum(expired), 0) as expired,
         coalesce(sum(next_7), 0) as next_7,
         coalesce(sum(next_30), 0) as next_30, coalesce(sum(next_90), 0) as next_90,
         coalesce(sum(in_period), 0) as in_period,
         coalesce(sum(seen_7), 0) as seen_7, coalesce(sum(seen_30), 0) as seen_30,
         coalesce(sum(seen_90), 0) as seen_90,
         coalesce(sum(away_90), 0) as away_90, coalesce(sum(away_180), 0) as away_180,
         coalesce(sum(never), 0) as never
  from tally
), detail as (
  select id, username, rollcall_equipemed.full_name(first_name, last_name, username) as full_name,
         rollcall_equipemed.profession_name(profession_type) as profession, access_expires_at,
         (access_expires_at at time zone :time_zone)::date as expiration_date,
         rollcall_equipemed.days_left(access_expires_at, :today, :time_zone) as days,
         account_status as status
  from accounts_eqmdcustomuser
  where is_active and access_expires_at between :now and :now + :days_ahead * interval '1 day'
  order by access_expires_at, id
  limit 50
), renewal as (
  select count(*) as total,
         count(*) filter (where status = 'pending') as pending,
         count(*) filter (where status = 'approved') as approved,
         count(*) filter (where status = 'denied') as denied,
         count(*) filter (where created_at >= :now - interval '30 days') as recent,
         min(created_at) filter (where status = 'pending') as oldest_pending,
         avg(extract(epoch from reviewed_at - created_at) / 3600) filter (
           where status in ('approved', 'denied') and isfinite(reviewed_at) and isfinite(created_at)
         ) as review_hours
  from core_accountrenewalrequest
)
select json_build_object(
  'generated_at', rollcall_equipemed.iso(:now, :time_zone),
  'report_period', json_build_object(
    'start_date', :today,
    'end_date', ((:now + :days_ahead * interval '1 day') at time zone :time_zone)::date,
    'days_ahead', :days_ahead),
  'summary', json_build_object(
    'total_active_users', t.users,
    'status_breakdown', (
      select coalesce(json_object_agg(account_status, n order by account_status), '{}')
      from (select account_status, sum(users) as n from tally group by 1) s
    ),
    'role_breakdown', (
      select coalesce(
        json_object_agg(coalesce(profession_type::text, 'None'), n order by profession_type), '{}')
      from (select profession_type, sum(users) as n from tally group by 1) r
    )),
  'expiration_analysis', json_build_object(
    'expired_users', t.expired,
    'expiring_breakdown', json_build_object(
      'next_7_days', t.next_7, 'next_30_days', t.next_30, 'next_90_days', t.next_90),
    'total_expiring_in_period', t.in_period,
    'expiring_users_shown', (
      select to_char(count(*), 'FM999,999,999,999') || ' of '
        || to_char(t.in_period, 'FM999,999,999,999') || ' shown'
      from detail
    ),
    'expiring_users_detail', (select coalesce(json_agg(json_build_object(
        'username', username, 'full_name', full_name, 'profession', profession,
        'expiration_date', expiration_date,
        'days_until_expiration', days, 'status', status)
        order by access_expires_at, id), '[]') from detail)),
  'activity_analysis', json_build_object(
    'active_last_7_days', t.seen_7, 'active_last_30_days', t.seen_30,
    'active_last_90_days', t.seen_90,
    'inactive_over_90_days', t.away_90, 'inactive_over_180_days', t.away_180,
    'never_active', t.never),
  'renewal_requests', json_build_object(
    'total', r.total, 'pending', r.pending, 'approved', r.approved, 'denied', r.denied,
    'created_last_30_days', r.recent,
    'approval_rate_percent', round(100.0 * r.approved / nullif(r.approved + r.denied, 0), 1),
    'average_review_hours', round(r.review_hours::numeric, 1),
    'oldest_pending', (r.oldest_pending at time zone :time_zone)::date)) as document
from total t, renewal r

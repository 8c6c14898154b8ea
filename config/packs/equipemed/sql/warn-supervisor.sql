-- The supervisor's copy, in its own words: only after the user's own warning went out, once, and
-- only while that date still holds.
person as (
  select b.subject, b.item, u.username, u.first_name, u.last_name, u.access_expires_at,
         s.username as s_username, s.first_name as s_first_name, s.last_name as s_last_name,
         s.email as s_email,
         w.sent_at, w.supervisor_sent_at, w.threshold,
         rollcall_equipemed.days_left(u.access_expires_at, :today, :time_zone) as days,
         w.expires_on is not distinct from (
           u.access_expires_at at time zone :time_zone)::date as same_date
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  left join accounts_eqmdcustomuser s on s.id = u.supervisor_id and s.is_active
  left join rollcall_equipemed.warning w
         on w.user_id = u.id and b.item = w.expires_on || '/' || w.threshold
), judged as (
  select *, case
    when sent_at is null then 'the user was not warned'
    when supervisor_sent_at is not null then 'already told'
    when not same_date or days < 0 then 'the expiry date was changed'
    when s_username is null then 'no active supervisor'
  end as obstacle, rollcall_equipemed.address_problem(s_email) as problem
  from person
), effect as (
  select subject, item,
         case
           when obstacle is not null then 'skipped'
           when problem is not null then 'failed'
           else 'send'
         end as outcome,
         coalesce(
           obstacle, 'supervisor: ' || problem, rollcall_equipemed.threshold_name(threshold)
         ) as reason,
         s_email as to_address,
         rollcall_equipemed.full_name(s_first_name, s_last_name, s_username) as to_name,
         rollcall_equipemed.full_name(s_first_name, s_last_name, s_username) as supervisor_name,
         rollcall_equipemed.full_name(first_name, last_name, username) as full_name,
         username,
         rollcall_equipemed.in_days(days) as in_days,
         to_char(access_expires_at at time zone :time_zone, 'DD/MM/YYYY') as expires_on,
         :contact_email as contact_email
  from judged
)

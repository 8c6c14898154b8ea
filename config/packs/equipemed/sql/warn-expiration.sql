-- Re-reads why the warning is due, claims it against other runs, and gives the mail's address and
-- texts.
person as (
  select b.subject, b.item, u.username, u.email, u.first_name, u.last_name, u.access_expires_at,
         d.days, d.threshold,
         rollcall_equipemed.address_problem(u.email) as problem,
         coalesce(s.email <> '', false) as supervised,
         case
           when not u.is_active or u.account_status not in ('active', 'expiring_soon')
             then 'account is ' ||
                case when u.is_active then u.account_status else 'disabled' end
           when exists (
             select from rollcall_equipemed.emergency_access g
             where g.user_id = u.id and g.ended_at is null
           )
             then 'emergency access'
           when d.threshold is null then 'no warning is due'
           when b.item <> d.expires_on || '/' || d.threshold then
                case
                  when b.item like d.expires_on || '/%' then 'a later warning is due'
                  else 'the expiry date was changed'
                end
           when not rollcall_equipemed.warning_wanted(
             :dedupe, d.days, d.threshold, u.expiration_warning_sent, :now)
           then 'not on the very day, or warned within 7 days'
           when exists (
             select from rollcall_equipemed.warning w
             where w.user_id = u.id and w.expires_on = d.expires_on and w.threshold = d.threshold
               and w.sent_at is not null
           )
             then 'already warned'
         end as obstacle
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  left join accounts_eqmdcustomuser s on s.id = u.supervisor_id and s.is_active
  left join lateral rollcall_equipemed.warning_due(
    u.access_expires_at, :today, :time_zone, :warning_days) d on true
), claimed as (
  insert into rollcall_equipemed.warning as w (
    user_id, expires_on, threshold, claimed_by, claimed_at)
  select subject, split_part(item, '/', 1)::date, threshold, :run_id, now()
  from person
  where obstacle is null and problem is null
  order by subject
  on conflict (user_id, expires_on, threshold) do update
  set claimed_by = excluded.claimed_by, claimed_at = excluded.claimed_at
  where w.sent_at is null
    and (
      w.claimed_by is not distinct from excluded.claimed_by
      or w.claimed_at < excluded.claimed_at - interval '15 minutes')
  returning w.user_id
), effect as (
  select p.subject, p.item,
         case when p.obstacle is not null then 'skipped' when p.problem is not null then 'failed'
              when c.user_id is null then 'skipped' else 'send' end as outcome,
         coalesce(
           p.obstacle, p.problem,
           case
             when c.user_id is null then 'another run is sending it'
             else rollcall_equipemed.threshold_name(p.threshold)
           end) as reason,
         case when p.supervised then array['warn-supervisor'] else '{}'::text[] end as follow_ups,
         p.email as to_address,
         rollcall_equipemed.full_name(p.first_name, p.last_name, p.username) as to_name,
         p.username,
         rollcall_equipemed.full_name(p.first_name, p.last_name, p.username) as full_name,
         rollcall_equipemed.in_days(p.days) as in_days,
         to_char(p.access_expires_at at time zone :time_zone, 'DD/MM/YYYY') as expires_on,
         :site_url || '/account/renewal-required/' as renewal_url,
         :contact_email as contact_email
  from person p
  left join claimed c on c.user_id = p.subject
)

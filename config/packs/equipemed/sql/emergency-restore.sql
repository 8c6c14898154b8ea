-- Gives a locked-out user access now, until N hours from now: audited in emergency_access, and the
-- administrators are notified (follow-up). For so long nothing else changes the user; afterwards
-- end-emergency-access gives back the status, the expiry and the lock that were before.
person as (
  select u.id, u.username, u.account_status as old_status, u.access_expires_at as old_expires_at,
         u.is_active as old_is_active,
         :now + b.hours * interval '1 hour' as new_expires_at
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  order by u.id
  for update of u
-- before: a second grant takes over from the first, and gives back what was before both
), granted as (
  select g.id as grant_id, g.user_id, g.until, g.previous_status, g.previous_expires_at,
         g.previous_is_active
  from batch b
  join rollcall_equipemed.emergency_access g on g.user_id = b.subject and g.ended_at is null
  order by g.id
  for update of g
), judged as (
  select b.subject, b.hours, b.reason as why, b.by, a.id as admin_id, p.*,
         case
           when p.id is null then 'user ' || b.subject || ' does not exist'
           when a.id is null then 'administrator ' || b.by || ' does not exist or is not staff'
         end as error,
         case
           when a.id = p.id then 'nobody restores their own access'
           when p.old_is_active and p.old_status in ('active', 'expiring_soon')
             and coalesce(p.old_expires_at >= :now, true)
           then 'user is not locked out'
           when p.old_status = 'departed' and not coalesce(b.force, false)
             then 'departed user: force restores all the same'
         end as refusal
  from batch b
  left join person p on p.id = b.subject
  left join accounts_eqmdcustomuser a on a.username = nullif(b.by, '') and a.is_active
    and (a.is_staff or a.is_superuser)
), changed as (
  update accounts_eqmdcustomuser u
  set is_active = true, account_status = 'active', access_expires_at = j.new_expires_at,
      reviewed_by_id = j.admin_id
  from judged j
  where u.id = j.id and j.error is null and j.refusal is null
  returning u.id, u.username, u.access_expires_at, u.account_status, j.hours, j.why, j.admin_id,
    j.old_status, j.old_expires_at, j.old_is_active
), over as (
  update rollcall_equipemed.emergency_access g set ended_at = now()
  from granted o join changed c on c.id = o.user_id
  where g.id = o.grant_id
), noted as (
  insert into rollcall_equipemed.emergency_access (
    user_id, granted_at, until, granted_by, reason, previous_status, previous_expires_at,
    previous_is_active)
  select c.id, now(), c.access_expires_at, c.admin_id, c.why,
         case when o.as_granted then o.previous_status else c.old_status end,
         case when o.as_granted then o.previous_expires_at else c.old_expires_at end,
         case when o.as_granted then o.previous_is_active else c.old_is_active end
  from changed c
  left join lateral (
    select o.*,
           c.old_expires_at = o.until and c.old_status = 'active' and c.old_is_active as as_granted
    from granted o
    where o.user_id = c.id
    order by o.grant_id desc
    limit 1
  ) o on true
), history as (
  insert into accounts_historicaleqmdcustomuser (
    history_date, history_change_reason, history_type, history_user_id, id, username,
    account_status, access_expires_at)
  select now(), left('Emergency access for ' || hours || ' h: ' || why, 100), '~', admin_id, id,
         username, account_status, access_expires_at
  from changed
), effect as (
  select subject,
         case
           when error is not null then 'failed'
           when refusal is not null then 'skipped'
           else 'applied'
         end as outcome,
         coalesce(error, refusal, why) as reason,
         rollcall_equipemed.show(old_status, old_expires_at, :time_zone)
           || case when old_is_active then '' else ', disabled' end as before,
         case
           when error is null and refusal is null
             then rollcall_equipemed.show('active', new_expires_at, :time_zone)
         end as after
  from judged
)

-- Gives a locked-out user access now, until N hours from now: audited in emergency_access, and the administrators are told (follow-up).
-- An expiry that lies later stays. Afterwards check-expiration takes the user back like anybody else.
person as (
  select u.id, u.username, u.account_status as old_status, u.access_expires_at as old_expires_at, u.is_active as old_is_active,
         greatest(u.access_expires_at, :now + b.hours * interval '1 hour') as new_expires_at
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  order by u.id
  for update of u
), judged as (
  select b.subject, b.hours, b.reason as why, b.by, a.id as admin_id, p.*,
         case
           when p.id is null then 'user ' || b.subject || ' does not exist'
           when a.id is null then 'administrator ' || b.by || ' does not exist or is not staff'
         end as error,
         case
           when a.id = p.id then 'nobody restores their own access'
           when p.old_is_active and p.old_status in ('active', 'expiring_soon') and coalesce(p.old_expires_at >= :now, true)
           then 'user is not locked out'
           when p.old_status = 'departed' and not coalesce(b.force, false) then 'departed user: force restores all the same'
         end as refusal
  from batch b
  left join person p on p.id = b.subject
  left join accounts_eqmdcustomuser a on a.username = b.by and a.is_active and (a.is_staff or a.is_superuser)
), changed as (
  update accounts_eqmdcustomuser u
  set is_active = true, account_status = 'active', access_expires_at = j.new_expires_at, reviewed_by_id = j.admin_id
  from judged j
  where u.id = j.id and j.error is null and j.refusal is null
  returning u.id, u.username, u.access_expires_at, u.account_status, j.hours, j.why, j.admin_id, j.old_status, j.old_expires_at, j.old_is_active
), noted as (
  insert into rollcall_equipemed.emergency_access
         (user_id, granted_at, until, granted_by, reason, previous_status, previous_expires_at, previous_is_active)
  select id, now(), access_expires_at, admin_id, why, old_status, old_expires_at, old_is_active
  from changed
), history as (
  insert into accounts_historicaleqmdcustomuser
         (history_date, history_change_reason, history_type, history_user_id, id, username, account_status, access_expires_at)
  select now(), left('Emergency access for ' || hours || ' h: ' || why, 100), '~', admin_id, id, username, account_status, access_expires_at
  from changed
), effect as (
  select subject,
         case when error is not null then 'failed' when refusal is not null then 'skipped' else 'applied' end as outcome,
         coalesce(error, refusal, why) as reason,
         rollcall_equipemed.show(old_status, old_expires_at, :time_zone) || case when old_is_active then '' else ', disabled' end as before,
         case when error is null and refusal is null then rollcall_equipemed.show('active', new_expires_at, :time_zone) end as after
  from judged
)

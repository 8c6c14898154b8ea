-- Everybody whose status no longer fits the expiry date. The windows of dates are the way through
-- the index (account_status, access_expires_at); what decides is next_status, here and in
-- check-expiration.sql.
select u.id as subject
from accounts_eqmdcustomuser u
where u.is_active
  and rollcall_equipemed.in_role(u.profession_type, :role)
  and (
    (
      u.account_status = 'active'
      and u.access_expires_at < rollcall_equipemed.day_start(
        :today, :expiring_soon_days + 1, :time_zone))
    or (
      u.account_status in ('expiring_soon', 'inactive')
      and u.access_expires_at < rollcall_equipemed.day_start(:today, 0, :time_zone))
    or (
      u.account_status = 'expiring_soon'
      and u.access_expires_at >= rollcall_equipemed.day_start(
        :today, :expiring_soon_days + 1, :time_zone))
    or (
      u.account_status = 'expired' and :status_rule = 'ruling'
      and u.access_expires_at >= rollcall_equipemed.day_start(:today, 0, :time_zone))
    or (
      u.account_status in ('suspended', 'departed', 'renewal_required') and :status_rule = 'literal'
      and u.access_expires_at < rollcall_equipemed.day_start(:today, 0, :time_zone)))
  and rollcall_equipemed.next_status(
    u.account_status, rollcall_equipemed.days_left(u.access_expires_at, :today, :time_zone),
    :expiring_soon_days, :status_rule) <> u.account_status
  -- end-emergency-access gives the former status back
  and not exists (
    select from rollcall_equipemed.emergency_access g where g.user_id = u.id and g.ended_at is null
  )

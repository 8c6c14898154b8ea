-- Everybody who has reached a threshold whose warning was not sent for this expiry date. item:
-- 'YYYY-MM-DD/N'.
select u.id as subject, d.expires_on || '/' || d.threshold as item
from accounts_eqmdcustomuser u
cross join lateral rollcall_equipemed.warning_due(
  u.access_expires_at, :today, :time_zone, :warning_days) d
where u.is_active
  and u.account_status in ('active', 'expiring_soon')
  and u.access_expires_at >= rollcall_equipemed.day_start(:today, 0, :time_zone)
  and u.access_expires_at < rollcall_equipemed.day_start(
    :today, rollcall_equipemed.largest(:warning_days) + 1, :time_zone)
  and rollcall_equipemed.warning_wanted(
    :dedupe, d.days, d.threshold, u.expiration_warning_sent, :now)
  and not exists (
    select from rollcall_equipemed.emergency_access g where g.user_id = u.id and g.ended_at is null
  )
  and not exists (
    select from rollcall_equipemed.warning w
    where w.user_id = u.id and w.expires_on = d.expires_on and w.threshold = d.threshold
      and w.sent_at is not null
  )

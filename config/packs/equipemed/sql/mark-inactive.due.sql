select u.id as subject
from accounts_eqmdcustomuser u
where rollcall_equipemed.to_mark_inactive(
  u.is_active, u.account_status, u.last_meaningful_activity, u.date_joined, u.profession_type, :now,
  :inactivity_days, :never_inactivate)
  and not exists (
    select from rollcall_equipemed.emergency_access g where g.user_id = u.id and g.ended_at is null
  )

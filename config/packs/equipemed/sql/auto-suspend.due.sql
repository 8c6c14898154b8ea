select u.id as subject
from accounts_eqmdcustomuser u
where rollcall_equipemed.to_suspend(
  u.is_active, u.account_status, u.last_meaningful_activity, u.date_joined, u.is_staff,
  u.profession_type, :now, :suspension_days, :inactivity_days, :never_inactivate)
  and not exists (
    select from rollcall_equipemed.emergency_access g where g.user_id = u.id and g.ended_at is null
  )

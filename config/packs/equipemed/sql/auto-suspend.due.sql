select u.id as subject
from accounts_eqmdcustomuser u
where rollcall_equipemed.to_suspend(u.is_active, u.account_status, u.last_meaningful_activity, u.date_joined, u.is_staff, u.profession_type,
                                    :now, :suspension_days, :inactivity_days, :never_inactivate)

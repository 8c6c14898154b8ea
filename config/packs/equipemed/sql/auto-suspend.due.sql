select u.id as subject
from accounts_eqmdcustomuser u
where rollcall_equipemed.to_suspend(u.is_active, u.account_status, u.last_meaningful_activity, u.date_joined, u.is_staff,
                                    :now, :suspension_days)

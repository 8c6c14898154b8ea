-- Who has been away for :inactivity_days or longer, longest first, and what cleanup-inactive will
-- do about it.
select username, full_name, profession, email, account_status as status, last_activity,
       days_inactive, never_active, next_action
from (
  select id, username, rollcall_equipemed.full_name(first_name, last_name, username) as full_name,
         rollcall_equipemed.profession_name(profession_type) as profession, email, account_status,
         rollcall_equipemed.last_activity(last_meaningful_activity, date_joined) as since,
         (last_meaningful_activity at time zone :time_zone)::date as last_activity,
         - rollcall_equipemed.days_left(
           rollcall_equipemed.last_activity(last_meaningful_activity, date_joined), :today,
           :time_zone) as days_inactive,
         last_meaningful_activity is null as never_active,
         case
           when account_status = 'inactive' and is_staff then 'none (staff)'
           when account_status = 'inactive'
             and rollcall_equipemed.last_activity(last_meaningful_activity, date_joined)
                < :now - :suspension_days * interval '24 hours' then 'suspend'
           when account_status = 'active' and profession_type = any (:never_inactivate)
             then 'none (profession)'
           when account_status = 'active' then 'mark inactive'
           else 'none'
         end as next_action
  from accounts_eqmdcustomuser
  where is_active
    and account_status in ('active', 'inactive')
    and rollcall_equipemed.last_activity(
      last_meaningful_activity, date_joined) < :now - :inactivity_days * interval '24 hours'
  order by since, id
  limit :max_rows
) u
order by since, id

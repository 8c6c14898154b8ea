person as (
  select u.id, u.username, u.first_name, u.last_name, u.email, u.is_active, u.account_status,
         rollcall_equipemed.address_problem(u.email) as problem
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
), effect as (
  select id as subject,
         case
           when not is_active or account_status not in ('inactive', 'suspended') then 'skipped'
           when problem is not null then 'failed'
           else 'send'
         end as outcome,
         case
           when not is_active or account_status not in ('inactive', 'suspended')
             then 'no longer inactive'
           else coalesce(problem, 'marked inactive')
         end as reason,
         email as to_address,
         rollcall_equipemed.full_name(first_name, last_name, username) as to_name,
         rollcall_equipemed.full_name(first_name, last_name, username) as full_name,
         username,
         :inactivity_days as inactivity_days,
         :site_url || '/account/login/' as login_url,
         :support_email as support_email
  from person
)

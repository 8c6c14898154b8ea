-- Tells the user what was decided last.
latest as (
  select distinct on (b.subject) b.subject, b.item, r.status, r.review_notes, u.username,
         u.first_name, u.last_name, u.email, u.access_expires_at,
         rollcall_equipemed.address_problem(u.email) as problem
  from batch b
  join core_accountrenewalrequest r on r.user_id = b.subject and r.status in ('approved', 'denied')
    and (b.item = '' or b.item = r.id::text)
  join accounts_eqmdcustomuser u on u.id = b.subject
  order by b.subject, r.reviewed_at desc nulls last, r.id desc
), effect as (
  select subject, item,
         case when problem is not null then 'failed' else 'send' end as outcome,
         coalesce(problem, status) as reason,
         email as to_address,
         rollcall_equipemed.full_name(first_name, last_name, username) as to_name,
         rollcall_equipemed.full_name(first_name, last_name, username) as full_name,
         status = 'approved' as approved,
         case status when 'approved' then 'aprovado' else 'negado' end as decision,
         coalesce(
           to_char(access_expires_at at time zone :time_zone, 'DD/MM/YYYY'), 'sem data definida'
         ) as expires_on,
         review_notes as notes,
         :contact_email as contact_email
  from latest
)

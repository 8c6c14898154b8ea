-- Gives back what was before an emergency access: status, expiry, lock. What somebody has decided
-- meanwhile stays.
person as (
  select u.id, u.username, u.account_status, u.access_expires_at, u.is_active
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  order by u.id
  for update of u
), granted as (
  select g.id, g.user_id, g.until, g.previous_status, g.previous_expires_at, g.previous_is_active
  from batch b
  join rollcall_equipemed.emergency_access g on g.user_id = b.subject
  where g.ended_at is null and g.until <= :now
  order by g.id
  for update of g
), newest as (
  select distinct on (user_id) * from granted order by user_id, id desc
), judged as (
  select n.*, p.id as person_id, p.username,
         coalesce(
           p.account_status = 'active' and p.is_active and p.access_expires_at = n.until, false
         ) as as_granted
  from newest n
  left join person p on p.id = n.user_id
), changed as (
  update accounts_eqmdcustomuser u
  set account_status = j.previous_status, access_expires_at = j.previous_expires_at,
      is_active = j.previous_is_active
  from judged j
  where u.id = j.person_id and j.as_granted
), over as (
  update rollcall_equipemed.emergency_access g set ended_at = now()
  from granted o
  where g.id = o.id
), history as (
  insert into accounts_historicaleqmdcustomuser (
    history_date, history_change_reason, history_type, id, username, account_status,
    access_expires_at)
  select now(), 'Emergency access is over: former status given back', '~', person_id, username,
         previous_status, previous_expires_at
  from judged
  where as_granted
), effect as (
  select user_id as subject,
         case when as_granted then 'applied' else 'skipped' end as outcome,
         case
           when person_id is null then 'user does not exist'
           when as_granted then 'emergency access is over'
           else 'changed meanwhile: left as it is'
         end as reason,
         'active until ' || to_char(until at time zone :time_zone, 'DD/MM/YYYY HH24:MI') as before,
         case
           when as_granted
             then rollcall_equipemed.show(previous_status, previous_expires_at, :time_zone)
               || case when previous_is_active then '' else ', disabled' end
         end as after
  from judged
)

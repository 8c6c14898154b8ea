-- Sets a status by hand; from_status, when given, must be the present one.
person as (
  select u.id, u.account_status as old_status
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  order by u.id
  for update of u
), judged as (
  select b.subject, b.to_status, b.reason as why, a.id as admin_id, p.id, p.old_status,
         case
           when p.id is null then 'user ' || b.subject || ' does not exist'
           when b.by <> b.actor and a.id is null then 'administrator ' || b.by || ' does not exist'
         end as error,
         case
           when b.from_status <> '' and b.from_status <> p.old_status
             then 'status is ' || p.old_status || ', not ' || b.from_status
           when b.to_status = p.old_status then 'status is ' || p.old_status || ' already'
         end as refusal
  from batch b
  left join person p on p.id = b.subject
  left join accounts_eqmdcustomuser a on a.username = nullif(b.by, '')
), changed as (
  update accounts_eqmdcustomuser u
  set account_status = j.to_status, reviewed_by_id = coalesce(j.admin_id, u.reviewed_by_id)
  from judged j
  where u.id = j.id and j.error is null and j.refusal is null
  returning u.id, u.username, u.access_expires_at, u.account_status, j.why, j.admin_id
), history as (
  insert into accounts_historicaleqmdcustomuser (
    history_date, history_change_reason, history_type, history_user_id, id, username,
    account_status, access_expires_at)
  select now(), left(why, 100), '~', admin_id, id, username, account_status, access_expires_at
  from changed
), effect as (
  select subject,
         case
           when error is not null then 'failed'
           when refusal is not null then 'skipped'
           else 'applied'
         end as outcome,
         coalesce(error, refusal, why) as reason,
         old_status as before,
         case when error is null and refusal is null then to_status end as after
  from judged
)

-- The message was accepted: the warning counts as sent, and EquipeMed's own column says when.
person as (
  select u.id, b.item, b.sent_at
  from batch b
  join accounts_eqmdcustomuser u on u.id = b.subject
  order by u.id
  for update of u
), marked as (
  update accounts_eqmdcustomuser u
  set expiration_warning_sent = p.sent_at
  from person p
  where u.id = p.id
), sent as (
  update rollcall_equipemed.warning w
  set sent_at = b.sent_at
  from batch b
  where w.user_id = b.subject and w.expires_on = split_part(b.item, '/', 1)::date
    and w.threshold = split_part(b.item, '/', 2)::integer
)

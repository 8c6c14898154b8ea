told as (
  update rollcall_equipemed.warning w
  set supervisor_sent_at = b.sent_at
  from batch b
  where w.user_id = b.subject and w.expires_on = split_part(b.item, '/', 1)::date
    and w.threshold = split_part(b.item, '/', 2)::integer
)

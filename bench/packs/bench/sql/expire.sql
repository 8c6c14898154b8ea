changed as (
  update person p set status = 'expired'
  from batch b
  where p.id = b.subject and p.status = 'active' and p.expires_at < :now
  returning p.id
), effect as (
  select id as subject, 'applied' as outcome, 'active' as before, 'expired' as after from changed
)

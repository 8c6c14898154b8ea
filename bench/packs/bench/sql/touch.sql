changed as (
  update person p set status = 'active' from batch b where p.id = b.subject returning p.id
), effect as (
  select id as subject, 'applied' as outcome from changed
)

effect as (
  select p.id as subject, 'send' as outcome, 'p' || p.id || '@example.org' as to_address,
         'Person ' || p.id as to_name, 'Person ' || p.id as name
  from person p
  join batch b on b.subject = p.id
)

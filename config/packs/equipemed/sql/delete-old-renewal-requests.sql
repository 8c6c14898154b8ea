-- Decided requests that were made more than :renewal_retention_days ago. Pending ones stay, however
-- old.
old as (
  delete from core_accountrenewalrequest
  where status in ('approved', 'denied')
    and created_at < :now - :renewal_retention_days * interval '1 day'
  returning id
), effect as (
  select b.subject, 'applied' as outcome,
         (select count(*) from old) || ' renewal requests deleted' as reason
  from batch b
)

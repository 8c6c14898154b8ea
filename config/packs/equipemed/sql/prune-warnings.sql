-- Warnings about dates that are long past can never be due again.
old as (
  delete from rollcall_equipemed.warning
  where expires_on < :today - 90
  returning user_id
), effect as (
  select b.subject, 'applied' as outcome,
         (select count(*) from old) || ' past warnings deleted' as reason
  from batch b
)

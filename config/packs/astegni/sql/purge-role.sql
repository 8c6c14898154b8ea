-- Deletes a role's profile (its data cascades) and takes the role from the user. item: the role.
purged as (
  select g.user_id, g.role
  from (
    select array_agg(subject order by subject) as subjects,
           array_agg(item order by subject) as items
    from batch
  ) b
  cross join lateral rollcall_astegni.purge_roles(
    :profile_tables, b.subjects, b.items, :now, rollcall_astegni.automated(:run_id)) g
  where b.subjects is not null
), effect as (
  select user_id as subject, role as item, 'applied' as outcome, 'grace period over' as reason,
         role as before, ''::text as after
  from purged
)

-- Notes a backup that was verified. subject: when it was taken, in seconds since 1970.
judged as (
  select b.subject, to_timestamp(b.subject) as taken_at, b.name, b.by,
         case
           when to_timestamp(b.subject) > :now + interval '1 minute'
             then 'a backup cannot be taken in the future'
         end as refusal
  from batch b
), noted as (
  insert into rollcall_astegni.backup_verified (taken_at, name, verified_at, recorded_by)
  select taken_at, name, :now, by
  from judged
  where refusal is null
  order by taken_at
  on conflict (taken_at) do update
  set name = excluded.name, verified_at = excluded.verified_at, recorded_by = excluded.recorded_by
), effect as (
  select subject, case when refusal is null then 'applied' else 'skipped' end as outcome,
         coalesce(refusal, 'verified backup') as reason,
         case
           when refusal is null
             then name || ', taken '
               || to_char(taken_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI')
         end as after
  from judged
)

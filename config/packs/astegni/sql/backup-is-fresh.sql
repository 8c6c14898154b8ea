-- Nothing is purged without a verified backup that is young enough; a dry run deletes nothing and
-- needs none.
select :dry_run
  or coalesce(max(taken_at) > :now - :backup_max_age_hours * interval '1 hour', false) as ok,
       case
         when :dry_run then ''
         when max(taken_at) is null
           then 'no verified backup is recorded: rollcall record-backup TAKEN_AT --name NAME'
         when max(taken_at) <= :now - :backup_max_age_hours * interval '1 hour'
         then 'the newest verified backup was taken '
           || to_char(max(taken_at) at time zone :time_zone, 'YYYY-MM-DD HH24:MI')
              || ', more than ' || :backup_max_age_hours || ' hours before the run'
         else ''
       end as reason
from rollcall_astegni.backup_verified
where taken_at <= :now + interval '1 minute'

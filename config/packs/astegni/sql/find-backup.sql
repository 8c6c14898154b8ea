-- A backup by the instant when it was taken: "now", or a time such as 2026-11-21T02:00+03:00
-- (without an offset: UTC).
select floor(extract(epoch from t.taken_at))::bigint as subject,
       to_char(t.taken_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI') as taken_at,
       (
         select name
         from rollcall_astegni.backup_verified
         where taken_at = to_timestamp(floor(extract(epoch from t.taken_at)))
       ) as recorded_as,
       (select name || ', taken ' || to_char(taken_at at time zone :time_zone, 'YYYY-MM-DD HH24:MI')
        from rollcall_astegni.backup_verified order by taken_at desc limit 1) as newest_so_far
from (select case when :subject = 'now' then :now else :subject::timestamptz end as taken_at) t

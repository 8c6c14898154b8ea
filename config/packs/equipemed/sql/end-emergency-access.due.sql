-- Whose emergency access is over.
select distinct g.user_id as subject
from rollcall_equipemed.emergency_access g
where g.ended_at is null and g.until <= :now

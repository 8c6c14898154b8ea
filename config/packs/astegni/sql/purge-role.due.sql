select user_id as subject, role as item
from rollcall_astegni.scheduled_roles(:profile_tables, :now)

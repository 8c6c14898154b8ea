select u.id as subject
from users u
where u.scheduled_deletion_at <= :now

-- Some of the role, whether or not anything of them is to be changed: when nobody is due the whole
-- way is tried all the same.
select u.id as subject
from accounts_eqmdcustomuser u
where u.is_active and rollcall_equipemed.in_role(u.profession_type, :role)
order by u.id
limit 10

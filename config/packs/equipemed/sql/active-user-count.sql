-- How many users have an account that is in use: what a run changes is shown as a part of them.
select count(*) from accounts_eqmdcustomuser where is_active

-- How many users there are: a purge is shown as a part of them.
select count(*) from users

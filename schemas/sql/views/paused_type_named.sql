-- SPDX-License-Identifier: Apache-2.0
create or replace view rollcall.paused_type_named as
select t.name as type, z.type_no, z.since, z.reason, z.sqlstate, z.by_whom, z.tries, z.tried_at,
       z.next_try_at
from rollcall.paused_type z join rollcall.task_type t using (type_no) where z.resumed_at is null;

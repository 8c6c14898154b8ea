-- SPDX-License-Identifier: Apache-2.0
-- Alive is who was seen within half a minute, or sits in a long statement: its session is still
-- there.
create or replace view rollcall.process_now as
select p.*, p.seen_at > clock_timestamp() - interval '30 s'
            or (
              p.seen_at > clock_timestamp() - interval '10 min'
              and exists (
                select from pg_stat_activity a
                where a.pid = p.backend_pid and a.application_name like 'rollcall-%'
              )) as alive
from rollcall.process p;

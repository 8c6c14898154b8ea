-- SPDX-License-Identifier: Apache-2.0
-- Runs whose end, or that they are held for review, Kafka has not acknowledged yet.
select p.*, r.alert, r.closed_at is null as held, coalesce(r.closed_at, r.held_at) as at
from rollcall.run r
join rollcall.run_progress p using (run_no)
where (r.closed_at is not null and r.notified_at is null)
        or (r.state = 'held for review' and r.held_notified_at is null)
order by run_no
limit 32

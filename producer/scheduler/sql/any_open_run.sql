-- SPDX-License-Identifier: Apache-2.0
-- A run that something may happen to at any moment.
select from rollcall.run
where rollcall.run_is_open(state)
        and (state <> 'held for review' or held_notified_at is null)
        and (not_before is null or not_before <= clock_timestamp())
limit 1

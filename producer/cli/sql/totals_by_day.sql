-- SPDX-License-Identifier: Apache-2.0
select day::text, type, dry_run, rollcall.outcome_name(outcome) as outcome, count, reason
from rollcall.day_total
where day > (clock_timestamp() at time zone 'UTC')::date - $1::int
order by day desc, type, dry_run, day_total.outcome, count desc

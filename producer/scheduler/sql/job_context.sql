-- SPDX-License-Identifier: Apache-2.0
-- What the guards need to know of a job beside one run of it: how many other runs have a plan and
-- are open, whether the job is suspended, and the start that min_interval counts from.
-- $1 pack, $2 job, $3 the run, $4 whether the job has a min_interval.
select (select count(*)
        from rollcall.run
        where pack = $1 and job = $2 and run_no <> $3 and not dry_run and
        \ir _is_started.sql
        ),
        (select suspended from rollcall.job where pack = $1 and job = $2),
        (select max(case when cause = 'manual' then requested_at else scheduled_at end)
        from rollcall.run
        where $4 and pack = $1 and job = $2 and run_no <> $3 and not dry_run
        and scheduled_at <= clock_timestamp()
        and settings in ('{}', (select settings from rollcall.run where run_no = $3))
        and (
        \ir _is_started.sql
        or (closed_at is not null and published_at is not null and state <> 'cancelled')))

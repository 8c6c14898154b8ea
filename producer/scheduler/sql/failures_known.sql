-- SPDX-License-Identifier: Apache-2.0
-- Did the job's run before $1 have each failed, quarantined or unknown outcome of it, too: of the
-- same type, subject and reason?
with this as (
        select * from rollcall.run where run_no = $1
),
before as (
        select b.run_no
        from rollcall.run b, this
        where b.pack = this.pack and b.job = this.job and b.run_no <> this.run_no
        and b.dry_run = this.dry_run and b.closed_at is not null and b.published_at is not null
        order by b.closed_at desc
        limit 1
)
select exists (select from before)
        and not exists (
                select type_no, subject, item, reason
                from rollcall.outcomes_of_run($1, '{2,3,4}')
                except
                select type_no, subject, item, reason
                from rollcall.outcomes_of_run((select run_no from before), '{2,3,4}')
        )

-- SPDX-License-Identifier: Apache-2.0
-- Did the job's run before $1 have each failed, quarantined or unknown outcome of it, too: of the
-- same type, subject and reason?
with this as (
        select * from rollcall.run where run_no = $1
),
before as (
        select b.run_no, b.day
        from rollcall.run b, this
        where b.pack = this.pack and b.job = this.job and b.run_no <> this.run_no
        and b.dry_run = this.dry_run and b.closed_at is not null and b.published_at is not null
        order by b.closed_at desc
        limit 1
)
select exists (select from before)
        and not exists (
                select from rollcall.outcome_all o, this
                where o.day = this.day and o.run_no = this.run_no and o.outcome in (2, 3, 4)
                and not exists (
                        select from rollcall.outcome_all p, before
                        where p.day = before.day and p.run_no = before.run_no
                        and p.outcome in (2, 3, 4) and p.type_no = o.type_no
                        and octet_length(p.subject) = octet_length(o.subject)
                        and p.subject = o.subject and p.item = o.item and p.reason = o.reason
                )
        )

-- SPDX-License-Identifier: Apache-2.0
-- Task o was applied, so that its follow-up of type t was spawned, and that one has no outcome.
o.outcome = 0 and not o.dry_run
        and not exists (
                select from rollcall.outcome x
                where x.day = r.day and x.run_no = r.run_no and x.type_no = t.type_no
                and octet_length(x.subject) = octet_length(o.subject) and x.subject = o.subject
                and x.item = o.item
        )

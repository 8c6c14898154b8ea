-- SPDX-License-Identifier: Apache-2.0
-- $1 the topics of the lanes, $2 the present cluster.
select
        exists (
                select from rollcall.run
                where state in ('planned', 'published') and cluster is distinct from $2
        ) as other_cluster,
        exists (
                select from rollcall.log_gap g join rollcall.position p using (source_no)
                where g.repaired_at is null and p.topic = any($1::text[])
        ) as gaps

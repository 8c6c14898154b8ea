-- SPDX-License-Identifier: Apache-2.0
-- $1 run, $2 chunk, $3 type, $4 dry run, $5 subjects, $6 items, $7 lane, $8 partition, $9 of how
-- many; the last three null: of any.
insert into rollcall.plan
        (run_no, chunk, type_no, dry_run, subjects, items, lane, partition, partitions)
values ($1, $2, $3::int, $4, $5, $6, $7, $8, $9)

-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.plan (run_no, chunk, type_no, dry_run, subjects, items)
values ($1, $2, $3::int, $4, $5, $6)

-- SPDX-License-Identifier: Apache-2.0
-- What a chunk p has beside its rows: see `enum head` in fanout.c.
array[p.type_no::text, p.dry_run::text, p.lane, p.partitions::text]

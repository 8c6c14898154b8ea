-- SPDX-License-Identifier: Apache-2.0
src_offset, sequence, outcome, attempt, dry_run, subject, item, reason, before, after,
array_to_string(follow_ups, ','), task_id, actor, arguments, at, type, run_id, type_no,
encode(key, 'hex'), encode(value, 'hex'), replaces, tries, n_found

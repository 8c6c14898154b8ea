-- SPDX-License-Identifier: Apache-2.0
o.src_offset, o.outcome, o.dry_run, o.subject, o.item, o.reason, o.before, o.after, o.follow_ups,
o.task_id, o.actor, o.at, t.name as type, r.run_id, o.type_no, h.key, h.value, o.replaces

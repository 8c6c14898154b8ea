-- SPDX-License-Identifier: Apache-2.0
select unnest(errors) from rollcall.held_named where task_id::text like $1 || '%'

-- SPDX-License-Identifier: Apache-2.0
update rollcall.task_type
set requires_role = $2, actor_arguments = $3, for_others_arguments = $4
where name = $1
  and (requires_role is distinct from $2 or actor_arguments is distinct from $3
       or for_others_arguments is distinct from $4)

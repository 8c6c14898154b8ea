-- SPDX-License-Identifier: Apache-2.0
select has_schema_privilege('rollcall', 'USAGE'), has_schema_privilege('rollcall', 'CREATE'),
       current_user::text

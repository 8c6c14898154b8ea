select has_schema_privilege('rollcall', 'USAGE'), has_schema_privilege('rollcall', 'CREATE'),
       current_user::text

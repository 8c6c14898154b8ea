-- SPDX-License-Identifier: Apache-2.0
select current_database()::text, pg_encoding_to_char(encoding)::text
from pg_database
where datname = current_database()

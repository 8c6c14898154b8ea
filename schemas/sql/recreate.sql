-- SPDX-License-Identifier: Apache-2.0
-- What can be created again without a new version: functions, views, comments. `rollcall db apply`
-- does so each time. A function may use what is only made after it, so bodies are not checked here.
set local check_function_bodies = off;
\ir functions/ledger.sql
\ir functions/positions.sql
\ir functions/rights.sql
\ir functions/requests.sql
\ir functions/runs.sql
\ir functions/jobs.sql
\ir functions/quarantine.sql
\ir functions/pauses.sql
\ir functions/intake.sql
\ir functions/alerts.sql
\ir views/outcome_of_batch.sql
\ir views/run_progress.sql
\ir views/outcome_named.sql
\ir views/held_named.sql
\ir views/paused_type_named.sql
\ir views/process_now.sql
\ir comments.sql
set local check_function_bodies = on;

select
\ir _paused_types.sql

-- SPDX-License-Identifier: Apache-2.0
select
\ir _paused_types.sql

-- SPDX-License-Identifier: Apache-2.0
-- A run with a plan, not closed.
(rollcall.run_is_open(state) and state <> 'requested')

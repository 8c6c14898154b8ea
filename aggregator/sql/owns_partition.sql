-- SPDX-License-Identifier: Apache-2.0
-- Does the ledger name this aggregator as the owner of any partition of the topic?
select exists (select from rollcall.position where cluster = $1 and topic = $2 and owner = $3)

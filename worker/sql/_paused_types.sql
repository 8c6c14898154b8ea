-- SPDX-License-Identifier: Apache-2.0
-- The numbers of the paused types, with "!" after those whose next try is due: "3,17!".
(
        select coalesce(
                string_agg(type_no || case when next_try_at <= now() then '!' else '' end, ','), '')
        from rollcall.paused_type
        where resumed_at is null
)

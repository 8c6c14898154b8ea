-- SPDX-License-Identifier: Apache-2.0
-- Later tasks of its subject are blocked by the parked task `f`. Nobody waits for a paused type.
f.state <> 'record'
and (
        f.state in ('quarantined', 'behind')
        or not exists (
                select from rollcall.paused_type z
                where z.type_no = f.type_no and z.resumed_at is null
        )
)

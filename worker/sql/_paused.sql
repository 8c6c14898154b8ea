-- SPDX-License-Identifier: Apache-2.0
-- The type of the parked task `h` is paused.
exists (
        select from rollcall.paused_type z
        where z.type_no = h.type_no and z.resumed_at is null
)

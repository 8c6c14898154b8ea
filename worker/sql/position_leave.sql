-- SPDX-License-Identifier: Apache-2.0
-- All partitions of an owner; of a claim that is not the owner's any more it changes nothing.
update rollcall.position set claimed_by = '', deaths = 0, trying = null where claimed_by = $1

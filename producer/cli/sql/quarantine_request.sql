-- SPDX-License-Identifier: Apache-2.0
select rollcall.quarantine($8, string_to_array($1, ','), $2, $3, $4, $5, $6::timestamptz, $7, $9)

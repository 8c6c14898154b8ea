-- SPDX-License-Identifier: Apache-2.0
rollcall.held_chosen(string_to_array($1, ','), $2, $3, $4, $5, $6::timestamptz)

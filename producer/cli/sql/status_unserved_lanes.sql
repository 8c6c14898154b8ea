-- SPDX-License-Identifier: Apache-2.0
select l from unnest($1::text[]) l where not rollcall.lane_is_served(l)

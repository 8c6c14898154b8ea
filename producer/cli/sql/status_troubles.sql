-- SPDX-License-Identifier: Apache-2.0
select what, detail from rollcall.troubles($1::bigint * interval '1 ms') order by 1

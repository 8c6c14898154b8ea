-- SPDX-License-Identifier: Apache-2.0
-- Runs whose tasks may be lost: $1 the present cluster, $2 whether a log lost some.
r.state in ('planned', 'published') and (r.cluster <> $1 or $2)

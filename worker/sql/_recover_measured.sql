-- SPDX-License-Identifier: Apache-2.0
-- What is taken of `found` at once: the first rows, as many as $4 bytes hold, but one at least. A
-- row counts with what it costs the worker: bytes as hexadecimal digits and once more as they are,
-- arguments as JSON and once more read. `n_found`: how many rows there were before that.
sized as (
        select found.*,
                512
                + coalesce(octet_length(reason), 0)
                + coalesce(octet_length(before), 0)
                + coalesce(octet_length(after), 0)
                + 3 * coalesce(octet_length(key), 0)
                + 3 * coalesce(octet_length(value), 0)
                + 4 * coalesce(octet_length(arguments::text), 0) as size
        from found
), measured as (
        select sized.*,
                sum(size) over (order by place rows unbounded preceding) - size as earlier,
                count(*) over () as n_found
        from sized
)

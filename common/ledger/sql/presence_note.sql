-- SPDX-License-Identifier: Apache-2.0
insert into rollcall.process
       (name, program, host, pid, version, lane, partitions, leads, backend_pid, waits_for,
        refused_reload, refused_at)
values ($1, $2, $3, $4::int, $5, $6, $7::int[], $8, pg_backend_pid(), $9, $10, $11)
on conflict (name) do update
set version = excluded.version, partitions = excluded.partitions, leads = excluded.leads,
    waits_for = excluded.waits_for, refused_reload = excluded.refused_reload,
    refused_at = excluded.refused_at, backend_pid = excluded.backend_pid,
    seen_at = clock_timestamp()

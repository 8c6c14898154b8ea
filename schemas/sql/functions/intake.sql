-- SPDX-License-Identifier: Apache-2.0
-- Counts a service's tasks without an outcome. Dry runs do not count, and a task that has waited
-- for a day no longer does: it is somebody's to look at.
create or replace function rollcall.intake_count(of_service text) returns bigint
language plpgsql as $$
begin
  update rollcall.request r set uncounted_at = clock_timestamp()
  where r.origin = 'service' and r.actor = of_service and r.uncounted_at is null
    and r.published_at is not null
    and (
      r.dry_run
      or r.requested_at < clock_timestamp() - interval '1 day'
      or not exists (
        select from unnest(r.task_ids) as id
        where not exists (
          select from rollcall.outcome_adhoc o where o.task_id = id and o.outcome >= 0
        )
      ));
  return (
    select coalesce(sum((
      select count(*)
      from unnest(r.task_ids) as id
      where not exists (
        select from rollcall.outcome_adhoc o where o.task_id = id and o.outcome >= 0
      )
    )), 0)
    from rollcall.request r
    where r.origin = 'service' and r.actor = of_service and r.uncounted_at is null and not r.dry_run
      and r.requested_at >= clock_timestamp() - interval '1 day'
  );
end $$;

-- How many of the wanted tasks of each service may be taken now, and when to ask again for the
-- rest. Taking fewer than granted is harmless.
create or replace function rollcall.intake_grant(
  services text[], wanted bigint[], rates bigint[], bursts bigint[], open_maxima bigint[])
returns table (granted bigint, wait_ms bigint) language plpgsql as $$
declare
  b rollcall.intake;
  room bigint;
begin
  for i in 1 .. coalesce(cardinality(services), 0) loop
    insert into rollcall.intake
    values (services[i], bursts[i], open_maxima[i], clock_timestamp())
    on conflict do nothing;
    select * into b from rollcall.intake where service = services[i] for update;
    b.tokens := least(
      bursts[i],
      b.tokens + greatest(extract(epoch from clock_timestamp() - b.filled_at), 0) * rates[i]);
    if b.open + wanted[i] > open_maxima[i] then
      b.open := rollcall.intake_count(services[i]);
    end if;
    room := greatest(open_maxima[i] - b.open, 0);
    granted := least(wanted[i], floor(b.tokens)::bigint, room);
    b.tokens := b.tokens - granted;
    wait_ms := case
      when granted = wanted[i] then 0
      when granted = room then 1000
      else least(
        1000,
        greatest(
          10,
          ceil(
            1000 * (least(wanted[i] - granted, greatest(rates[i] / 10, 1)) - b.tokens) / rates[i])))
    end;
    update rollcall.intake
    set tokens = b.tokens, open = b.open + granted, filled_at = clock_timestamp()
    where service = services[i];
    return next;
  end loop;
end $$;

-- SPDX-License-Identifier: Apache-2.0
-- Claims a partition: raises the epoch, which fences every earlier owner. The rows of the topic as
-- it was before it was re-created are fenced permanently, wherever their owners are, and their
-- sequence numbers continue: readers of the results topic recognise an outcome by topic, partition
-- and number. `switched`: an earlier row was in use until now.
create or replace function rollcall.claim(
  of_cluster text, of_topic text, of_partition integer, by_owner text)
returns table (
  source_no integer, epoch bigint, next bigint, mark bigint, sequence bigint, published bigint,
  switched boolean)
language plpgsql rows 1 as $$ -- of a thousand rows, its statement would be compiled at each claim
#variable_conflict use_column
declare
  earlier record;
  fenced boolean;
begin
  update rollcall.position set epoch = epoch + 1, owner = ''
  where topic = of_topic and partition = of_partition and cluster <> of_cluster and owner <> '';
  fenced := found;
  select coalesce(max(epoch), 0) as epoch, coalesce(max(sequence), 0) as sequence,
         coalesce(max(published), 0) as published into earlier
  from rollcall.position
  where topic = of_topic and partition = of_partition and cluster <> of_cluster;
  return query
  insert into rollcall.position as p (cluster, topic, partition, owner, epoch, sequence, published)
  values (
    of_cluster, of_topic, of_partition, by_owner, earlier.epoch + 1, earlier.sequence,
    earlier.published)
  on conflict (cluster, topic, partition) do update
  set epoch = greatest(p.epoch, earlier.epoch) + 1, owner = excluded.owner,
    sequence = greatest(p.sequence, excluded.sequence),
    published = greatest(p.published, excluded.published), updated_at = now()
  returning p.source_no, p.epoch, p.next, p.mark, p.sequence, p.published, fenced;
end $$;

-- The other rows of a position's topic and partition: of other clusters, or from before the topic
-- was re-created.
create or replace function rollcall.earlier_logs(of_source integer) returns integer[]
language sql stable as $$
  select coalesce(array_agg(e.source_no), '{}')
  from rollcall.position m
  join rollcall.position e on e.topic = m.topic and e.partition = m.partition
    and e.source_no <> m.source_no
  where m.source_no = of_source
$$;

-- What earlier rows of its partition left unfinished, or parked, becomes the claimer's. The old and
-- the new topic use the same offsets, so such an offset becomes negative, made of its source and
-- offset.
create or replace function rollcall.adopted_offset(source_no integer, src_offset bigint)
returns bigint language sql immutable as $$
  select case
    when src_offset < 0 then src_offset
    else -1 - ((source_no::bigint << 40) + src_offset)
  end
$$;

create or replace function rollcall.true_offset(src_offset bigint) returns bigint
language sql immutable as $$
  select case
    when src_offset < 0 then (-1 - src_offset) & ((1::bigint << 40) - 1)
    else src_offset
  end
$$;

create or replace function rollcall.adopt(mine integer) returns void language plpgsql as $$
declare
  earlier integer[] := rollcall.earlier_logs(mine);
begin
  if earlier <> '{}' then
    update rollcall.outcome
    set source_no = mine, src_offset = rollcall.adopted_offset(source_no, src_offset)
    where (outcome < 0 or outcome = 3) and source_no = any(earlier);
    update rollcall.held
    set source_no = mine, src_offset = rollcall.adopted_offset(source_no, src_offset)
    where source_no = any(earlier);
  end if;
end $$;

-- What has been aggregated of earlier rows of a results partition counts as aggregated. True: what
-- they had beyond that is to be backfilled from the ledger.
create or replace function rollcall.inherit_folded(mine integer, switched boolean) returns boolean
language plpgsql as $$
declare
  earlier integer[] := rollcall.earlier_logs(mine);
begin
  if earlier <> '{}' then
    insert into rollcall.folded as f (results_no, source_topic, source_partition, sequence)
    select mine, source_topic, source_partition, max(sequence)
    from rollcall.folded
    where results_no = any(earlier)
    group by 2, 3
    on conflict (results_no, source_topic, source_partition) do update
    set sequence = greatest(f.sequence, excluded.sequence);
    insert into rollcall.log_gap (source_no, how, position, low, high, found_by)
    select mine, 'another cluster', max(e.next), 0, 0, max(m.owner)
    from rollcall.position m, rollcall.position e
    where switched and m.source_no = mine and e.source_no = any(earlier) having count(*) > 0;
  end if;
  return exists (select from rollcall.log_gap where source_no = mine and repaired_at is null);
end $$;

-- Repairs a position that is not in its topic, and requests what was lost. A re-created topic is
-- read from its first offset, under a row of its own. False: another owner has the position
-- meanwhile.
create or replace function rollcall.repair_position(
  of_source integer, at_epoch bigint, anew boolean, low bigint, high bigint, by_whom text)
returns boolean
language plpgsql as $$
declare
  p rollcall.position;
  goes_on integer := of_source;
begin
  select * into p
  from rollcall.position
  where source_no = of_source and epoch = at_epoch
  for update;
  if not found then
    return false;
  end if;
  if anew then
    update rollcall.position
    set cluster = cluster || '#' || source_no, epoch = epoch + 1, owner = '', updated_at = now()
    where source_no = of_source;
    insert into rollcall.position (cluster, topic, partition, epoch, next, sequence, published)
    values (
      p.cluster, p.topic, p.partition, p.epoch + 1, repair_position.low, p.sequence, p.published)
    returning source_no into goes_on;
  else
    update rollcall.position
    set next = repair_position.low, mark = 0, epoch = epoch + 1, updated_at = now()
    where source_no = of_source;
  end if;
  insert into rollcall.log_gap (source_no, how, position, low, high, found_by)
  values (
    goes_on, case when anew then 're-created' else 'deleted' end, p.next, repair_position.low,
    repair_position.high, by_whom);
  perform pg_notify('rollcall_run', '');
  return true;
end $$;

-- `rollcall topics repair`: repairs a position that is not in its topic. False: another owner has
-- it meanwhile.
create or replace function rollcall.request_repair(
  of_source integer, at_epoch bigint, anew boolean, low bigint, high bigint, on_behalf_of text)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform rollcall.file_request(
    'repair position', of_source::text, jsonb_build_object('anew', anew, 'low', low, 'high', high),
    on_behalf_of);
  return rollcall.repair_position(
    of_source, at_epoch, anew, low, high, rollcall.asked_by(on_behalf_of));
end $$;
revoke execute on function rollcall.request_repair(integer, bigint, boolean, bigint, bigint, text)
  from public;

create or replace function rollcall.count_deaths(of_source integer, by_owner text)
returns table (deaths smallint, trying bigint) language sql rows 1 as $$
  update rollcall.position p
  set deaths = case
    when p.claimed_by = '' then 0
    when p.claimed_by = by_owner then p.deaths
    when p.next = p.claimed_next or p.trying is not null then least(p.deaths + 1, 1000)
    else 0
  end,
      claimed_by = by_owner, claimed_next = p.next
  where p.source_no = of_source returning p.deaths, p.trying
$$;

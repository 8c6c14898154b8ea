# SPDX-License-Identifier: Apache-2.0
"""The pack that faults are tried on: an effect leaves a row without a unique key each time, so
that a double one cannot hide; triggers note who wrote what.
"""

TABLES = """
create table person (id bigint primary key, email text not null default '', hits int not null
    default 0, active boolean not null default true,
                     leaving boolean not null default false, approved boolean not null
                         default false, trap text not null default '');
create table trace (n bigint generated always as identity primary key, subject bigint not null,
    type text not null, item text not null, run text not null,
                    tx xid8 not null default pg_current_xact_id(), writer text not null
                        default current_setting('application_name'));
create table sent (subject bigint not null, item text not null, run text not null);

-- D: what held when somebody was deleted, seen from within the transaction
create table deleted (subject bigint not null, leaving boolean not null, approved boolean not null,
    tx xid8 not null default pg_current_xact_id());
create function note_deleted() returns trigger language plpgsql as $$
begin
  insert into public.deleted (subject, leaving, approved) values (old.id, old.leaving,
      old.approved);
  return old;
end $$;
create trigger note_deleted before delete on person for each row execute function note_deleted();

-- F: who owned a source when something was written to it
create table fence_log (n bigint generated always as identity, source_no int not null,
    epoch bigint not null, owner text not null, next bigint not null,
                        tx xid8 not null default pg_current_xact_id());
create table ledger_log (n bigint generated always as identity, source_no int not null,
    src_offset bigint not null, outcome int not null,
                         tx xid8 not null default pg_current_xact_id(), writer text not null
                             default current_setting('application_name'));
create function note_fence() returns trigger language plpgsql as $$
begin
  insert into public.fence_log (source_no, epoch, owner, next) values (new.source_no, new.epoch,
      new.owner, new.next);
  return new;
end $$;
create function note_outcome() returns trigger language plpgsql as $$
begin
  -- what a batch has decided, and is now kept by task, was noted then
  if tg_op = 'INSERT' and exists (
    select from rollcall.outcome_batch b
    where b.day = new.day and b.run_no = new.run_no and b.source_no = new.source_no
      and new.sequence between b.first_sequence and b.last_sequence
  ) then
    return new;
  end if;
  insert into public.ledger_log (source_no, src_offset, outcome) values (new.source_no,
      new.src_offset, new.outcome);
  return new;
end $$;
create function note_batch() returns trigger language plpgsql as $$
begin
  insert into public.ledger_log (source_no, src_offset, outcome)
  values (new.source_no, new.first_offset, coalesce(new.outcome[1], 0));
  return new;
end $$;
"""

# People whose changes an application's trigger refuses, with a SQLSTATE of its own; and mails of
# whom nothing can be recorded.
TRAPS = """
create function trapped() returns trigger language plpgsql as $$
begin
  raise exception using errcode = split_part(new.trap, ' ', 2), message = 'not this one';
end $$;
create trigger trapped before update of hits on person for each row when (new.trap like 'raise %')
    execute function trapped();
create function not_recorded() returns trigger language plpgsql as $$
declare
  trap text := (select p.trap from public.person p where p.id = new.subject);
begin
  if trap like 'record %' then
    raise exception using errcode = split_part(trap, ' ', 2), message = 'not recorded';
  end if;
  return new;
end $$;
create trigger not_recorded before insert on sent for each row execute function not_recorded();
"""

# After `rollcall db apply`.
TRIGGERS = """
create trigger note_fence after insert or update on rollcall.position for each row
    execute function public.note_fence();
create trigger note_outcome after insert or update on rollcall.outcome for each row
    execute function public.note_outcome();
create trigger note_batch after insert on rollcall.outcome_batch for each row
    execute function public.note_batch();
"""

PACK_CFG = """
name = "club"; title = "The club"; time_zone = "%(zone)s"; search_path = "public";
    subject_type = "integer"; schema = "sql/schema.sql";
mail = { from_address = "club@club.test"; from_name = "The club"; };
settings = ( { name = "nap"; type = "integer"; default = 0; min = 0; max = 60; } );
task_types = (
  { name = "bump"; action = "sql"; due = "sql/due.sql"; statement = "sql/bump.sql"; },
  { name = "enrol"; action = "sql"; due = "sql/due.sql"; statement = "sql/enrol.sql";
      follow_ups = [ "welcome", "greet" ]; },
  { name = "welcome"; action = "sql"; lane = "urgent"; statement = "sql/welcome.sql"; },
  { name = "thanks"; action = "sql"; statement = "sql/thanks.sql"; },
  { name = "greet"; action = "email"; due = "sql/due.sql"; statement = "sql/greet.sql";
      record = "sql/greet.record.sql"; follow_ups = [ "thanks" ];
    email = { subject = "Hello {{name}}"; text = "templates/greet.txt"; }; },
  { name = "careful"; action = "email"; due = "sql/due.sql"; statement = "sql/greet.sql";
      record = "sql/greet.record.sql";
    email = { subject = "Hello {{name}}"; text = "templates/greet.txt"; lost_answer = "hold"; }; },
  { name = "grant"; action = "sql"; lane = "urgent"; statement = "sql/grant.sql";
      arguments = ( { name = "days"; type = "integer"; default = 1; } ); },
  { name = "purge"; action = "sql"; due = "sql/purge.due.sql"; statement = "sql/purge.sql"; },
  { name = "nap"; action = "sql"; due = "sql/due.sql"; statement = "sql/nap.sql"; },
  { name = "hourly"; action = "sql"; due = "sql/due.sql"; statement = "sql/hourly.sql"; },
  { name = "census"; action = "report"; scope = "run"; report = { report = "census"; format = "csv";
      file = "census.csv"; }; }
);
jobs = ( { name = "sweep"; tasks = [ "bump", "enrol" ]; concurrency_policy = "allow"; },
         { name = "mailing"; tasks = [ "greet" ]; concurrency_policy = "allow"; },
         { name = "careful"; tasks = [ "careful" ]; concurrency_policy = "allow"; },
         { name = "purging"; tasks = [ "purge" ]; concurrency_policy = "allow"; },
         { name = "napping"; tasks = [ "nap" ]; concurrency_policy = "allow"; },
         { name = "bumping"; tasks = [ "bump" ]; concurrency_policy = "allow"; },
         { name = "capped"; tasks = [ "bump" ]; max_subjects = 20; concurrency_policy = "allow"; },
         { name = "census"; tasks = [ "census" ]; concurrency_policy = "allow"; }%(jobs)s );
reports = ( { name = "census"; title = "CENSUS"; statement = "sql/census.sql"; } );
"""

EFFECT = """
found as (select p.id, p.hits, p.trap, b.item%(more)s from person p
    join batch b on b.subject = p.id where p.active order by p.id for update of p),
changed as (update person p set hits = p.hits + case when f.trap = 'zero'
    then 1 / (f.hits - f.hits) else 1 end from found f where p.id = f.id returning p.id, p.hits),
noted as (insert into trace (subject, type, item, run) select c.id, 'club.%(name)s', f.item,
    coalesce(:run_id::text, '') from changed c join found f on f.id = c.id),
effect as (select f.id as subject, 'applied'::text as outcome, f.hits::text as before,
    c.hits::text as after from found f join changed c on c.id = f.id)"""


def effect(name, more=""):
    return EFFECT % {"name": name, "more": more}


FILES = {
    "sql/schema.sql": "create table if not exists club_log (said text);",
    "sql/due.sql": "select id as subject from person where active",
    "sql/purge.due.sql": "select id as subject from person where leaving and approved",
    **{
        f"sql/{name}.sql": effect(name) for name in ("bump", "enrol", "welcome", "thanks", "hourly")
    },
    "sql/grant.sql": effect("grant", ", b.days"),
    "sql/nap.sql": (
        "rest as materialized (select 1 from pg_sleep(:nap)),\n"
        + effect("nap").replace("where p.active order", "join rest on true where p.active order")
    ),
    "sql/purge.sql": (
        """
found as (select p.id, p.leaving, p.approved, b.item from person p join batch b on b.subject = p.id
    order by p.id for update of p),
gone as (delete from person p using found f where p.id = f.id and f.leaving and f.approved
    returning p.id),
noted as (insert into trace (subject, type, item, run) select g.id, 'club.purge', f.item,
    coalesce(:run_id::text, '') from gone g join found f on f.id = g.id),
effect as (select f.id as subject, case when g.id is null then 'skipped'
    else 'applied' end as outcome,
           case when g.id is null then 'stays' else '' end as reason from found f left
               join gone g on g.id = f.id)"""
    ),
    "sql/greet.sql": (
        """
effect as (select p.id as subject, case when p.active then 'send' else 'skipped' end as outcome,
    case when p.active then '' else 'is away' end as reason,
                  p.email as to_address, 'Person ' || p.id as to_name, 'person ' || p.id as name
           from person p join batch b on b.subject = p.id)"""
    ),
    "sql/greet.record.sql": (
        "noted as (insert into sent (subject, item, run) select b.subject, b.item,"
        " coalesce(:run_id::text, '') from batch b)"
    ),
    "sql/census.sql": (
        "select json_build_object('people', (select json_agg(x) from (select id, email, hits from"
        " person order by id) x))"
    ),
    "templates/greet.txt": "Dear {{name}},\nwelcome.\n",
}


def write(folder, zone="America/Sao_Paulo", jobs=""):
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "pack.cfg").write_text(PACK_CFG % {"zone": zone, "jobs": jobs})

#include "follow_ups.h"

#include "transact.h"

/* A row for each type and actor; 2,000 of the longest subjects and items fit into one. A name that
 * no pack here has is registered, so that its task is answered like any other of an unknown type.
 */
const char FOLLOW_UPS_FILE[] =
        "with u as (select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) "
        "with ordinality as u(id, subject, item, name, actor, n)), "
        "added as (insert into rollcall.task_type (name) select distinct name from u "
        "where not exists (select from rollcall.task_type t where t.name = u.name) on conflict do nothing "
        "returning type_no, name), "
        "numbered as (select type_no, name from rollcall.task_type union all select type_no, name from added), "
        "placed as (select *, (row_number() over (partition by name, actor order by n) - 1) / 2000 as block from u) "
        "insert into rollcall.request (kind, actor, origin, about, type_no, task_ids, subjects, items) "
        "select 'tasks', p.actor, 'rollcall', p.name, t.type_no, array_agg(p.id order by p.n), "
        "array_agg(p.subject order by p.n), array_agg(p.item order by p.n) "
        "from placed p left join numbered t using (name) group by p.name, p.actor, p.block, t.type_no";

static bool is_adhoc(const struct entry *en)
{
        return en->state == ENTRY_DONE && !en->run;
}

static void count(void *ctx, const struct entry *en, struct span name)
{
        (void)en;
        (void)name;
        ++*(size_t *)ctx;
}

size_t follow_ups_count(const struct batch *b)
{
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++)
                if (is_adhoc(&b->entries[i]))
                        follow_ups_each(&b->entries[i], count, &n);
        return n;
}

struct column {
        struct db_params *params;
        int number;
};

static void add(void *ctx, const struct entry *en, struct span name)
{
        const struct column *c = ctx;
        const struct span texts[] = {
                { 0 }, en->task.subject, en->task.item, name, en->task.actor
        };
        struct uuid id = follow_up_id(en, name);
        if (c->number == 0)
                db_element_uuid(c->params, &id);
        else
                db_element_text(c->params, texts[c->number].ptr ? texts[c->number] : SPAN_LIT(""));
}

void follow_ups_params(const struct batch *b, size_t n, struct db_params *p)
{
        db_params_reset(p);
        for (int column = 0; column < 5; column++) {
                struct column c = { p, column };
                db_array_begin(p, column ? DB_TEXT : DB_UUID, n);
                for (size_t i = 0; i < b->n; i++)
                        if (is_adhoc(&b->entries[i]))
                                follow_ups_each(&b->entries[i], add, &c);
                db_array_end(p);
        }
}

#include "follow_ups.h"

#include "transact.h"

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

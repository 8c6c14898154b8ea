/* SPDX-License-Identifier: Apache-2.0 */
/* Follow-ups: their ids, the requests for those of ad-hoc tasks, and those that are shared. */
#include "follow_up.h"

#include "worker_statements.h"

#include <string.h>

/* ---- follow-ups ---- */

struct uuid follow_up_id(const struct entry *en, struct span full_type)
{
        /* an ad-hoc task takes the place of the run: its follow-ups are as repeatable as it is */
        return task_id_of(en->run ? en->run->run_id : en->task.task_id, full_type, en->task.subject,
                          en->task.item);
}

/* `name` stands in the list before: an effect may name a type twice, but there is one task of that
 * id. */
static bool named_before(struct span list, const char *name, size_t len)
{
        for (const char *at = list.ptr; at < name;) {
                const char *comma = memchr(at, ',', (size_t)(name - at));
                size_t n = (size_t)(comma - at); /* a comma stands before `name` */
                if (n == len && memcmp(at, name, len) == 0)
                        return true;
                at = comma + 1;
        }
        return false;
}

void follow_up_each(const struct entry *en,
                    void (*fn)(void *ctx, const struct entry *en, struct span name), void *ctx)
{
        if (en->outcome != OUTCOME_APPLIED || en->dry_run)
                return;
        struct span rest = en->follow_ups;
        while (rest.len) {
                const char *comma = memchr(rest.ptr, ',', rest.len);
                size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
                if (!named_before(en->follow_ups, rest.ptr, len))
                        fn(ctx, en, (struct span){ rest.ptr, len });
                size_t skip = comma ? len + 1 : len;
                rest = (struct span){ rest.ptr + skip, rest.len - skip };
        }
}

/* ---- requests for those of ad-hoc tasks ---- */

static bool is_adhoc(const struct entry *en)
{
        return en->state == ENTRY_DONE && !en->run;
}

static void count_one(void *ctx, const struct entry *en, struct span name)
{
        (void)en;
        (void)name;
        ++*(size_t *)ctx;
}

size_t follow_up_requests(const struct batch *b)
{
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++)
                if (is_adhoc(&b->entries[i]))
                        follow_up_each(&b->entries[i], count_one, &n);
        return n;
}

struct column {
        struct db_params *params;
        int number;
};

static void add_column(void *ctx, const struct entry *en, struct span name)
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

void follow_up_request_params(const struct batch *b, size_t n, struct db_params *p)
{
        db_params_reset(p);
        for (int column = 0; column < 5; column++) {
                struct column c = { p, column };
                db_array_begin(p, column ? DB_TEXT : DB_UUID, n);
                for (size_t i = 0; i < b->n; i++)
                        if (is_adhoc(&b->entries[i]))
                                follow_up_each(&b->entries[i], add_column, &c);
                db_array_end(p);
        }
}

/* ---- shared ones of runs ---- */

struct claim {
        struct entry *en;
        struct span name;
        bool mine;
};

struct claims {
        struct entry *of;   /* whose follow-ups are being collected */
        struct claim *list; /* NULL: only counted */
        size_t n;
};

static void collect_shared(void *ctx, const struct entry *en, struct span name)
{
        struct claims *c = ctx;
        if (!job_shares(en->run->job, name))
                return;
        if (c->list)
                c->list[c->n] = (struct claim){ .en = c->of, .name = name };
        c->n++;
}

static void collect_all_shared(const struct batch *b, struct claims *c)
{
        for (size_t i = 0; i < b->n; i++) {
                c->of = &b->entries[i];
                if (c->of->state == ENTRY_DONE && c->of->run && c->of->run->job &&
                    c->of->run->job->n_shared && c->of->follow_ups.len)
                        follow_up_each(c->of, collect_shared, c);
        }
}

static void claim_params(const struct claims *c, struct db_params *p)
{
        db_params_reset(p);
        db_array_begin(p, DB_INT8, c->n);
        for (size_t i = 0; i < c->n; i++)
                db_element_int(p, c->list[i].en->run->run_no);
        db_array_end(p);
        for (int column = 0; column < 3; column++) {
                db_array_begin(p, DB_TEXT, c->n);
                for (size_t i = 0; i < c->n; i++) {
                        const struct task *t = &c->list[i].en->task;
                        const struct span texts[] = { c->list[i].name, t->subject,
                                                      t->item.ptr ? t->item : SPAN_LIT("") };
                        db_element_text(p, texts[column]);
                }
                db_array_end(p);
        }
}

/* Leaves `name` out of the entry's list. */
static int leave_out(struct batch *b, struct entry *en, struct span name, struct err *e)
{
        char *text = arena_alloc(b->arena, en->follow_ups.len + 1);
        size_t len = 0;
        if (!text)
                return err_oom(e);
        for (struct span rest = en->follow_ups; rest.len;) {
                const char *comma = memchr(rest.ptr, ',', rest.len);
                size_t n = comma ? (size_t)(comma - rest.ptr) : rest.len, skip = comma ? n + 1 : n;
                if (n != name.len || memcmp(rest.ptr, name.ptr, n) != 0) {
                        if (len)
                                text[len++] = ',';
                        memcpy(text + len, rest.ptr, n);
                        len += n;
                }
                rest = (struct span){ rest.ptr + skip, rest.len - skip };
        }
        en->follow_ups = (struct span){ text, len };
        return 0;
}

int follow_up_claim_shared(struct db *d, struct db_params *p, struct batch *b, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct claims c = { 0 };
        collect_all_shared(b, &c);
        if (c.n == 0)
                return 0;
        c.list = arena_alloc(b->arena, c.n * sizeof *c.list);
        if (!c.list)
                return err_oom(e);
        c.n = 0;
        collect_all_shared(b, &c);
        claim_params(&c, p);
        if (db_query(d, sql_shared_follow_ups_claim, p, &r, e) < 0)
                return -1;
        for (int row = 0; row < db_rows(r); row++)
                c.list[db_int(r, row, 0) - 1].mine = true;
        for (size_t i = 0; i < c.n; i++)
                if (!c.list[i].mine && leave_out(b, c.list[i].en, c.list[i].name, e) < 0)
                        return -1;
        return 0;
}

/*
 * Follow-ups that a run can come to by two ways (struct job, `shared`) have one id. Who is first to
 * write the row in rollcall.shared_follow_up counts and publishes the task; for the others it is no
 * follow-up of theirs. Runs of other jobs cost nothing.
 */
#include "transact.h"
#include "transact_parts.h"
#include "worker_statements.h"

#include <string.h>

struct claim {
        struct entry *en;
        struct span name;
        bool mine;
};

struct claims {
        struct entry *of;   /* whose follow-ups are being looked at */
        struct claim *list; /* NULL: only counted */
        size_t n;
};

static void gather(void *ctx, const struct entry *en, struct span name)
{
        struct claims *c = ctx;
        if (!job_shares(en->run->job, name))
                return;
        if (c->list)
                c->list[c->n] = (struct claim){ .en = c->of, .name = name };
        c->n++;
}

static void gather_all(const struct batch *b, struct claims *c)
{
        for (size_t i = 0; i < b->n; i++) {
                c->of = &b->entries[i];
                if (c->of->state == ENTRY_DONE && c->of->run && c->of->run->job &&
                    c->of->run->job->n_shared && c->of->follow_ups.len)
                        follow_ups_each(c->of, gather, c);
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

int transact_claim_shared(struct transactor *t, struct batch *b, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct claims c = { 0 };
        gather_all(b, &c);
        if (c.n == 0)
                return 0;
        c.list = arena_alloc(b->arena, c.n * sizeof *c.list);
        if (!c.list)
                return err_oom(e);
        c.n = 0;
        gather_all(b, &c);
        claim_params(&c, t->params);
        if (db_query(t->db, sql_shared_follow_ups_claim, t->params, &r, e) < 0)
                return -1;
        for (int row = 0; row < db_rows(r); row++)
                c.list[db_int(r, row, 0) - 1].mine = true;
        for (size_t i = 0; i < c.n; i++)
                if (!c.list[i].mine && leave_out(b, c.list[i].en, c.list[i].name, e) < 0)
                        return -1;
        return 0;
}

#include "source.h"
#include "worker_statements.h"

#include <stdlib.h>
#include <string.h>

int source_index(struct sources *s, const char *topic, int32_t partition)
{
        for (size_t i = 0; i < s->n; i++)
                if (s->list[i].partition == partition && strcmp(s->list[i].topic, topic) == 0)
                        return (int)i;
        if (!s->list)
                /* all at once: a rebalance adds some while others are in use */
                s->list = calloc(SOURCES_MAX, sizeof *s->list);
        if (!s->list || s->n == SOURCES_MAX)
                return -1;
        s->list[s->n] = (struct source){ .topic = topic, .partition = partition, .check = -1 };
        return (int)s->n++;
}

static void read_claim(struct source *s, const struct db_result *r)
{
        s->source_no = (int)db_int(r, 0, 0);
        s->epoch = db_int(r, 0, 1);
        s->next = s->taken = db_int(r, 0, 2);
        s->sequence = db_int(r, 0, 3);
        s->published = db_int(r, 0, 4);
        s->mark = s->taken_mark = db_int(r, 0, 5);
        s->check = -1;
        s->touched = s->leaving = s->stopped = false;
        s->owned = true;
}

int source_claim(struct db *d, const char *cluster, const char *owner, struct source *s,
                 struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(4096);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (!p)
                return err_oom(e);
        db_add_str(p, cluster);
        db_add_str(p, s->topic);
        db_add_int4(p, s->partition);
        db_add_str(p, owner);
        if (db_query(d, sql_position_claim, p, &r, e) < 0)
                return -1;
        read_claim(s, r);
        s->acked = s->published;
        s->deaths = (int)db_int(r, 0, 7);
        s->trying = db_null(r, 0, 8) ? INT64_MIN : db_int(r, 0, 8);
        return 0;
}

int source_reclaim(struct db *d, struct source *s, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(4096);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (!p)
                return err_oom(e);
        db_add_int4(p, s->source_no);
        db_add_int8(p, s->epoch);
        if (db_query(d, sql_position_reclaim, p, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 1;
        read_claim(s, r);
        if (s->acked < s->published || s->acked > s->sequence)
                s->acked = s->published;
        return 0;
}

static bool dirty(const struct source *s)
{
        return s->owned && (s->acked > s->published || s->touched || s->taken != s->next);
}

size_t source_move_params(const struct sources *s, struct db_params *p)
{
        size_t n = 0;
        for (size_t i = 0; i < s->n; i++)
                n += dirty(&s->list[i]);
        static const enum db_type types[] = { DB_INT4, DB_INT8, DB_INT8, DB_INT8,
                                              DB_INT8, DB_INT8, DB_INT8 };
        for (size_t column = 0; column < ARRAY_LEN(types); column++) {
                db_array_begin(p, types[column], n);
                for (size_t i = 0; i < s->n; i++) {
                        const struct source *x = &s->list[i];
                        if (!dirty(x))
                                continue;
                        const int64_t values[] = { x->source_no,  x->epoch,    x->next, x->taken,
                                                   x->taken_mark, x->sequence, x->acked };
                        db_element_int(p, values[column]);
                }
                db_array_end(p);
        }
        return n;
}

void source_moved(struct sources *s)
{
        for (size_t i = 0; i < s->n; i++) {
                struct source *x = &s->list[i];
                if (!dirty(x))
                        continue;
                x->next = x->taken;
                x->mark = x->taken_mark;
                x->published = x->acked;
                x->touched = false;
        }
}

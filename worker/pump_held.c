#include "pump_internal.h"
#include "record.h"

enum { LOOK_MS = 500, GO_ON_MS = 250 };

/* Did a task get its outcome? Then one that it blocked may be due. */
static bool any_over(const struct batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                if (!b->entries[i].again)
                        return true;
        return false;
}

/* `ret_more`: there may be more to do at once; else unchanged. */
static int take_due(struct pump *p, int index, bool *ret_more, struct err *e)
{
        struct recovery r = pump_recovery(p);
        const struct source *s = &p->sources.list[index];
        int64_t epoch = s->epoch;
        batch_reset(&p->batch);
        if (pump_careful(s))
                recover_limit(&r, index, 1);
        int n = held_due(&r, index, &p->batch, e);
        if (n <= 0)
                return n;
        if (pump_careful(s) && pump_try(p, &p->batch.entries[0], ENTRY_ACTED, e) < 0)
                return -1;
        if (batch_divide(&p->batch, ENTRY_PENDING, e) < 0)
                return -1;
        int rc = transact_reread(&p->transactor, &p->batch, e);
        if (rc == 0 && !pump_owns(s, epoch))
                return 0;
        if (rc == 0)
                rc = transact_intend(&p->transactor, &p->batch, e);
        if (rc == 0)
                rc = pump_finish(p, e);
        *ret_more |= rc == TRANSACT_TOO_LARGE || any_over(&p->batch);
        if (rc != TRANSACT_TOO_LARGE)
                return rc;
        recover_limit(&r, index, batch_fewer((size_t)n));
        return 0;
}

static int take_records(struct pump *p, int index, struct err *e)
{
        struct recovery r = pump_recovery(p);
        batch_reset(&p->batch);
        int n = record_due(&r, index, &p->batch, e);
        if (n <= 0)
                return n;
        if (batch_divide(&p->batch, ENTRY_DONE, e) < 0)
                return -1;
        int rc = transact_records(&p->transactor, &p->batch, e);
        if (rc == 0)
                pump_note_pauses(p);
        return rc;
}

static int take_once(struct pump *p, bool *ret_more, struct err *e)
{
        bool due = false;
        *ret_more = false;
        if (held_look(p->db, p->topic, &p->sources, &p->held, &due, e) < 0)
                return -1;
        for (size_t i = 0; due && i < p->sources.n; i++) {
                if (!p->sources.list[i].owned || p->recover[i])
                        continue;
                int rc = take_due(p, (int)i, ret_more, e);
                if (rc == 0 && p->sources.list[i].owned)
                        rc = take_records(p, (int)i, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

/* One task of each subject is taken at a time. So it reads again at once when something got its
 * outcome, but not for so long that the messages from Kafka have to wait for all of them. */
int pump_take_held(struct pump *p, struct err *e)
{
        int64_t from = monotonic_ms();
        bool more;
        /* a service's requests are not set aside */
        if (!p->topic || from - p->looked_ms < LOOK_MS)
                return 0;
        do {
                p->looked_ms = monotonic_ms();
                int rc = take_once(p, &more, e);
                if (rc != 0)
                        return rc;
        } while (more && monotonic_ms() - from < GO_ON_MS);
        if (more)
                p->looked_ms = 0;
        for (size_t i = 0; i < p->sources.n; i++)
                if (p->sources.list[i].owned && pump_tried(p, &p->sources.list[i], e) < 0)
                        return -1;
        batch_reset(&p->batch);
        return 0;
}

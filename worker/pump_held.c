#include "pump_internal.h"
#include "record.h"

enum { LOOK_MS = 500 };

static int take_due(struct pump *p, int index, struct err *e)
{
        struct recovery r = pump_recovery(p);
        const struct source *s = &p->sources.list[index];
        int64_t epoch = s->epoch;
        batch_reset(&p->batch);
        if (pump_careful(s))
                recover_limit(&r, 1);
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
        if (rc != TRANSACT_TOO_LARGE)
                return rc;
        recover_limit(&r, batch_fewer((size_t)n));
        p->looked_ms = 0; /* again, at once */
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

int pump_take_held(struct pump *p, struct err *e)
{
        bool due = false;
        /* a service's requests are not set aside */
        if (!p->topic || monotonic_ms() - p->looked_ms < LOOK_MS)
                return 0;
        p->looked_ms = monotonic_ms();
        if (held_look(p->db, p->topic, &p->sources, &p->held, &due, e) < 0)
                return -1;
        for (size_t i = 0; due && i < p->sources.n; i++) {
                if (!p->sources.list[i].owned || p->recover[i])
                        continue;
                int rc = take_due(p, (int)i, e);
                if (rc == 0 && p->sources.list[i].owned)
                        rc = take_records(p, (int)i, e);
                if (rc != 0)
                        return rc;
        }
        for (size_t i = 0; i < p->sources.n; i++)
                if (p->sources.list[i].owned && pump_tried(p, &p->sources.list[i], e) < 0)
                        return -1;
        batch_reset(&p->batch);
        return 0;
}

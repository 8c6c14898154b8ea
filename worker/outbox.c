#include "outbox.h"

#include "base/failpoint.h"
#include "base/utf8.h"
#include "codec/codec.h"
#include "publish/dead_letter.h"
#include "transact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        WAIT_MS = 20,
        REASON_BYTES = 500,
};

static struct flight *flight_at(struct outbox *o, size_t i)
{
        return &o->flights[(o->first + i) % FLIGHTS_MAX];
}

/* Flights land in order: only then is everything below a mark acknowledged. */
static void land(struct outbox *o)
{
        while (o->n) {
                struct flight *f = flight_at(o, 0);
                if (f->waiting || !f->sealed)
                        return;
                for (size_t i = 0; i < f->n; i++) {
                        struct source *s = &o->sources->list[i];
                        if (s->owned && s->epoch == f->marks[i].epoch &&
                            s->acked < f->marks[i].sequence)
                                s->acked = f->marks[i].sequence;
                }
                free(f->marks);
                *f = (struct flight){ 0 };
                o->first = (o->first + 1) % FLIGHTS_MAX;
                o->n--;
        }
}

void outbox_acked(struct outbox *o, uint64_t token, const struct err *e)
{
        for (size_t i = 0; i < o->n; i++) {
                struct flight *f = flight_at(o, i);
                if (f->id != token)
                        continue;
                FAILPOINT("outcomes.acked");
                if (e)
                        o->failed = true;
                else if (f->waiting)
                        f->waiting--;
                land(o);
                return;
        }
}

void outbox_reset(struct outbox *o)
{
        for (size_t i = 0; i < o->n; i++)
                free(flight_at(o, i)->marks);
        memset(o->flights, 0, sizeof o->flights);
        o->first = o->n = 0;
        o->failed = false;
}

static int wait(struct outbox *o, struct err *e)
{
        publisher_poll(o->publisher, WAIT_MS);
        if (o->failed)
                return err_set(e, ERR_RETRY, "", "a message was not accepted by Kafka");
        if (o->tick && o->tick(o->ctx))
                return err_set(e, ERR_RETRY, "", "interrupted while publishing");
        return 0;
}

static int handed_over(struct outbox *o, int rc)
{
        if (rc < 0)
                o->failed = true;
        return rc;
}

static struct span pack_of(const struct entry *en)
{
        if (en->type)
                return span_of(en->type->pack->name);
        const char *dot = memchr(en->task.type.ptr, '.', en->task.type.len);
        return (struct span){ en->task.type.ptr,
                              dot ? (size_t)(dot - en->task.type.ptr) : en->task.type.len };
}

/* What was adopted from an earlier log has an offset made of that log's number and the true one
 * (rollcall.adopt). */
static int64_t true_offset(int64_t offset)
{
        return offset < 0 ? (-1 - offset) & ((INT64_C(1) << 40) - 1) : offset;
}

static int true_source(const struct source *s, int64_t offset)
{
        return offset < 0 ? (int)((-1 - offset) >> 40) : s->source_no;
}

static int publish_event(struct outbox *o, const struct entry *en, uint64_t token, struct err *e)
{
        const struct source *s = &o->sources->list[en->source];
        struct outcome_event ev = {
                .event_id = event_id_of(en->task.task_id, en->attempt, en->outcome),
                .task_id = en->task.task_id,
                .run_id = en->run ? en->run->run_id : (struct uuid){ { 0 } },
                .pack = pack_of(en),
                .job = en->run ? span_of(en->run->job_name) : SPAN_LIT(""),
                .type = en->task.type,
                .subject = en->task.subject,
                .item = en->task.item,
                .outcome = en->outcome,
                .reason = utf8_cut(en->reason, CODEC_TEXT_MAX),
                .before = utf8_cut(en->before, CODEC_TEXT_MAX),
                .after = utf8_cut(en->after, CODEC_TEXT_MAX),
                .at = en->at,
                .dry_run = en->dry_run,
                .actor = en->run ? span_of(en->run->requested_by) : en->task.actor,
                .attempt = en->attempt,
                .source_topic = span_of(s->topic),
                .source_partition = s->partition,
                .source_offset = true_offset(en->offset),
                .sequence = en->sequence,
                .replaces = en->replaces ? span_of(outcome_name(OUTCOME_QUARANTINED))
                                         : (struct span){ 0 },
        };
        int rc;
        while ((rc = publish_outcome(o->publisher, &ev, token, e)) == PUBLISH_WAIT)
                if (wait(o, e) < 0)
                        return -1;
        return handed_over(o, rc);
}

struct spawning {
        struct outbox *o;
        struct flight *f;
        struct err *e;
        int rc;
};

static void publish_follow_up(void *ctx, const struct entry *en, struct span name)
{
        struct spawning *x = ctx;
        const struct task_type *type = packs_type(x->o->packs, name);
        struct task t = {
                .task_id = follow_up_id(en, name),
                .run_id = en->run->run_id,
                .type = name,
                .subject = en->task.subject,
                .item = en->task.item,
                .scheduled_at = en->run->scheduled_at,
                .actor = span_of(en->run->requested_by),
        };
        while (x->rc == 0) {
                int rc = publish_task(x->o->publisher, &t, type ? type->lane : LANE_TASKS, x->f->id,
                                      x->e);
                if (rc == PUBLISH_QUEUED) {
                        x->f->waiting++;
                        return;
                }
                x->rc = handed_over(x->o, rc) < 0 || wait(x->o, x->e) < 0 ? -1 : 0;
        }
}

static int publish_dead_letter_of(struct outbox *o, const struct entry *en, uint64_t token,
                                  struct err *e)
{
        const struct source *s = &o->sources->list[en->source];
        const struct dead_letter_post d = {
                .origin = { o->cluster, s->topic, s->partition, true_source(s, en->offset),
                            true_offset(en->offset), en->state == ENTRY_DEAD ? 1 : en->attempt },
                .reason = en->reason,
                .key = en->key,
                .value = en->value,
                .at = en->at ? en->at : instant_now(),
                .table = en->state == ENTRY_DEAD ? "dead_letter" : "held",
        };
        int rc;
        while ((rc = publish_dead_letter(o->publisher, &d, token, e)) == PUBLISH_WAIT)
                if (wait(o, e) < 0)
                        return -1;
        return handed_over(o, rc);
}

static int publish_entry(struct outbox *o, const struct entry *en, struct flight *f, struct err *e)
{
        if (en->state == ENTRY_DEAD) {
                if (publish_dead_letter_of(o, en, f->id, e) < 0)
                        return -1;
                f->waiting++;
                return 0;
        }
        if (en->state != ENTRY_DONE)
                return 0;
        if (publish_event(o, en, f->id, e) < 0)
                return -1;
        f->waiting++;
        if (en->outcome == OUTCOME_QUARANTINED && !en->dry_run) {
                if (publish_dead_letter_of(o, en, f->id, e) < 0)
                        return -1;
                f->waiting++;
        }
        struct spawning x = { o, f, e, 0 };
        if (en->run) /* an ad-hoc task's were filed with its outcome */
                follow_ups_each(en, publish_follow_up, &x);
        return x.rc;
}

/* A flight acknowledges what it carries, and nothing beyond. */
static int open_flight(struct outbox *o, const struct batch *b, struct flight **ret, struct err *e)
{
        while (o->n == FLIGHTS_MAX)
                if (wait(o, e) < 0)
                        return -1;
        struct flight *f = flight_at(o, o->n);
        *f = (struct flight){ .id = ++o->next_id,
                              .n = o->sources->n,
                              .marks = calloc(o->sources->n + 1, sizeof *f->marks) };
        if (!f->marks)
                return err_oom(e);
        for (size_t i = 0; i < b->n; i++) {
                const struct entry *en = &b->entries[i];
                if ((en->state == ENTRY_DONE || en->state == ENTRY_DEAD) &&
                    en->sequence > f->marks[en->source].sequence)
                        f->marks[en->source] = (struct mark){ en->epoch, en->sequence };
        }
        o->n++;
        *ret = f;
        return 0;
}

int outbox_publish(struct outbox *o, const struct batch *b, struct err *e)
{
        struct flight *f = NULL;
        if (batch_count(b, ENTRY_DONE) + batch_count(b, ENTRY_DEAD) == 0)
                return 0;
        if (open_flight(o, b, &f, e) < 0)
                return -1;
        for (size_t i = 0; i < b->n; i++)
                if (publish_entry(o, &b->entries[i], f, e) < 0)
                        return -1;
        f->sealed = true;
        land(o);
        return 0;
}

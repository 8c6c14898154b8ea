/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing of what is committed, and which batches are acknowledged. */
#include "outbox.h"

#include "base/failpoint.h"
#include "base/utf8.h"
#include "codec/codec.h"
#include "publish/dead_letter.h"
#include "follow_up.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        WAIT_MS = 20,
        REASON_BYTES = 500,
};

static struct pending_batch *pending_at(struct outbox *o, size_t i)
{
        return &o->pending[(o->first + i) % PENDING_MAX];
}

/* In order: only then is everything up to a sequence acknowledged. */
static void retire_acknowledged(struct outbox *o)
{
        while (o->n) {
                struct pending_batch *f = pending_at(o, 0);
                if (f->unacked || !f->sealed)
                        return;
                for (size_t i = 0; i < f->n; i++) {
                        struct lane_partition *s = &o->partitions->list[i];
                        if (lane_partition_is_owned(s) && s->at.epoch == f->last[i].epoch &&
                            s->acked < f->last[i].sequence)
                                s->acked = f->last[i].sequence;
                }
                free(f->last);
                *f = (struct pending_batch){ 0 };
                o->first = (o->first + 1) % PENDING_MAX;
                o->n--;
        }
}

void outbox_acked(struct outbox *o, uint64_t token, const struct err *e)
{
        for (size_t i = 0; i < o->n; i++) {
                struct pending_batch *f = pending_at(o, i);
                if (f->id != token)
                        continue;
                FAILPOINT("outcomes.acked");
                if (e)
                        o->failed = true;
                else if (f->unacked)
                        f->unacked--;
                retire_acknowledged(o);
                return;
        }
}

void outbox_reset(struct outbox *o)
{
        for (size_t i = 0; i < o->n; i++)
                free(pending_at(o, i)->last);
        memset(o->pending, 0, sizeof o->pending);
        o->first = o->n = 0;
        o->failed = false;
}

static int wait_for_kafka(struct outbox *o, struct err *e)
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

/* A task parked before its topic was re-created has an offset made of its original source_no and
 * offset (rollcall.adopt). */
static int64_t original_offset(int64_t offset)
{
        return offset < 0 ? (-1 - offset) & ((INT64_C(1) << 40) - 1) : offset;
}

static int original_source(const struct lane_partition *s, int64_t offset)
{
        return offset < 0 ? (int)((-1 - offset) >> 40) : s->at.source_no;
}

static int publish_event(struct outbox *o, const struct entry *en, uint64_t token, struct err *e)
{
        const struct lane_partition *s = &o->partitions->list[en->partition];
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
                .source_topic = span_of(s->at.topic),
                .source_partition = s->at.partition,
                .source_offset = original_offset(en->offset),
                .sequence = en->sequence,
                .replaces = en->replaces ? span_of(outcome_name(OUTCOME_QUARANTINED))
                                         : (struct span){ 0 },
        };
        int rc;
        while ((rc = publish_outcome(o->publisher, &ev, token, e)) == PUBLISH_WAIT)
                if (wait_for_kafka(o, e) < 0)
                        return -1;
        return handed_over(o, rc);
}

struct spawning {
        struct outbox *o;
        struct pending_batch *f;
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
                        x->f->unacked++;
                        return;
                }
                x->rc = handed_over(x->o, rc) < 0 || wait_for_kafka(x->o, x->e) < 0 ? -1 : 0;
        }
}

static int publish_dead_letter_of(struct outbox *o, const struct entry *en, uint64_t token,
                                  struct err *e)
{
        const struct lane_partition *s = &o->partitions->list[en->partition];
        const struct dead_letter_post d = {
                .origin = { o->cluster, s->at.topic, s->at.partition,
                            original_source(s, en->offset), original_offset(en->offset),
                            en->state == ENTRY_DEAD ? 1 : en->attempt },
                .reason = en->reason,
                .key = en->key,
                .value = en->value,
                .at = en->at ? en->at : instant_now(),
                .table = en->state == ENTRY_DEAD ? "dead_letter" : "held",
        };
        int rc;
        while ((rc = publish_dead_letter(o->publisher, &d, token, e)) == PUBLISH_WAIT)
                if (wait_for_kafka(o, e) < 0)
                        return -1;
        return handed_over(o, rc);
}

static int publish_entry(struct outbox *o, const struct entry *en, struct pending_batch *f,
                         struct err *e)
{
        if (en->state == ENTRY_DEAD) {
                if (publish_dead_letter_of(o, en, f->id, e) < 0)
                        return -1;
                f->unacked++;
                return 0;
        }
        if (en->state != ENTRY_DONE)
                return 0;
        if (publish_event(o, en, f->id, e) < 0)
                return -1;
        f->unacked++;
        if (en->outcome == OUTCOME_QUARANTINED && !en->dry_run) {
                if (publish_dead_letter_of(o, en, f->id, e) < 0)
                        return -1;
                f->unacked++;
        }
        struct spawning x = { o, f, e, 0 };
        if (en->run) /* an ad-hoc task's were filed with its outcome */
                follow_up_each(en, publish_follow_up, &x);
        return x.rc;
}

/* It acknowledges what it carries, and nothing beyond. */
static int add_pending(struct outbox *o, const struct batch *b, struct pending_batch **ret,
                       struct err *e)
{
        while (o->n == PENDING_MAX)
                if (wait_for_kafka(o, e) < 0)
                        return -1;
        struct pending_batch *f = pending_at(o, o->n);
        *f = (struct pending_batch){ .id = ++o->next_id,
                                     .n = o->partitions->n,
                                     .last = calloc(o->partitions->n + 1, sizeof *f->last) };
        if (!f->last)
                return err_oom(e);
        for (size_t i = 0; i < b->n; i++) {
                const struct entry *en = &b->entries[i];
                if ((en->state == ENTRY_DONE || en->state == ENTRY_DEAD) &&
                    en->sequence > f->last[en->partition].sequence)
                        f->last[en->partition] = (struct last_of){ en->epoch, en->sequence };
        }
        o->n++;
        *ret = f;
        return 0;
}

int outbox_publish(struct outbox *o, const struct batch *b, struct err *e)
{
        struct pending_batch *f = NULL;
        if (batch_count(b, ENTRY_DONE) + batch_count(b, ENTRY_DEAD) == 0)
                return 0;
        if (add_pending(o, b, &f, e) < 0)
                return -1;
        for (size_t i = 0; i < b->n; i++)
                if (publish_entry(o, &b->entries[i], f, e) < 0)
                        return -1;
        f->sealed = true;
        retire_acknowledged(o);
        return 0;
}

int outbox_flush(struct outbox *o, struct err *e)
{
        while (o->n)
                if (wait_for_kafka(o, e) < 0)
                        return -1;
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Stores and publishes the messages of the results topic that cannot be aggregated. */
#include "aggregator/dead_letters.h"

#include "base/log.h"
#include "publish/dead_letter.h"

enum { ACK_TIMEOUT_MS = 5000 };

bool dead_letters_add(struct aggregator *a, struct partition *x, const struct kafka_message *m,
                      const char *reason)
{
        BUF_CLEANUP struct buf text;
        struct arena *memory = a->batch.memory;
        struct span key = m->key, value = m->value;
        buf_init(&text, DEAD_LETTER_REASON_MAX);
        dead_letter_keep(span_of(reason), &key, &value, &text);
        struct dead_letter_entry *l = arena_alloc(memory, sizeof *l);
        char *copy = arena_strndup(memory, buf_str(&text), text.len);
        if (!l || !copy)
                return false;
        *l = (struct dead_letter_entry){ .partition = x,
                                         .offset = m->unreadable ? m->first : m->offset,
                                         .sequence = x->dead_letters + 1,
                                         .reason = span_of(copy),
                                         .key = arena_span(memory, key),
                                         .value = arena_span(memory, value) };
        if ((key.ptr && !l->key.ptr) || (value.ptr && !l->value.ptr))
                return false;
        x->dead_letters++;
        *a->batch.dead_letters_end = l;
        a->batch.dead_letters_end = &l->next;
        return true;
}

/* ---- to their topic ---- */

/* Not negative. */
enum published { PUBLISHED, NOT_NOW /* no acknowledgement in time */ };

static int publish_one(struct aggregator *a, const struct partition *x,
                       const struct dead_letter_entry *l, struct err *e)
{
        const struct dead_letter_post d = {
                .origin = { a->cluster, x->at.topic, x->at.partition, x->at.source_no, l->offset,
                            1 },
                .reason = l->reason,
                .key = l->key,
                .value = l->value,
                .at = instant_now(),
                .table = "dead_letter",
        };
        int64_t until = monotonic_ms() + ACK_TIMEOUT_MS;
        for (;;) {
                int rc = publish_dead_letter(a->publisher, &d, 0, e);
                if (rc != PUBLISH_WAIT)
                        return rc < 0 ? -1 : PUBLISHED;
                if (monotonic_ms() >= until)
                        return NOT_NOW;
                publisher_poll(a->publisher, 100);
        }
}

/* Logged here and not when it was stored: if the process ends in between, the next owner of the
 * partition finds it unpublished, and logs it. */
static void log_dead_letter(struct partition *x, const struct dead_letter_entry *l)
{
        if (l->sequence <= x->dead_letters_logged)
                return;
        x->dead_letters_logged = l->sequence;
        log_warn("audit event refused, stored as a dead letter",
                 "topic=%s partition=%d offset=%lld reason=" LOG_Q, x->at.topic,
                 (int)x->at.partition, (long long)l->offset, l->reason.ptr);
}

/* Up to a few hundred dead letters of one partition, acknowledged. */
static int publish_partition(struct aggregator *a, struct partition *x, struct err *e)
{
        struct dead_letter_entry *list = NULL;
        arena_reset(a->publishing);
        if (store_unpublished(a->store, x, a->publishing, &list, e) < 0)
                return -1;
        /* no row is left: somebody has deleted them */
        int64_t last = list ? x->dead_letters_published : x->dead_letters_stored;
        int64_t offset = x->dead_letters_offset;
        a->publish_error = (struct err)ERR_INIT;
        for (const struct dead_letter_entry *l = list; l; l = l->next) {
                log_dead_letter(x, l);
                int rc = publish_one(a, x, l, e);
                if (rc != PUBLISHED)
                        return rc;
                last = l->sequence;
                offset = l->offset;
        }
        if (list && !publisher_flush(a->publisher, ACK_TIMEOUT_MS))
                return NOT_NOW;
        if (a->publish_error.class != ERR_NONE) {
                *e = a->publish_error;
                return -1;
        }
        if (store_published(a->store, x, last, e) < 0)
                return -1;
        x->dead_letters_published = last;
        x->dead_letters_offset = offset;
        return PUBLISHED;
}

static int publish_due(struct aggregator *a, struct err *e)
{
        for (size_t i = 0; i < a->n_partitions; i++) {
                struct partition *x = &a->partitions[i];
                if (x->state != PARTITION_READY ||
                    x->dead_letters_stored <= x->dead_letters_published)
                        continue;
                if (aggregator_need_publisher(a, e) < 0)
                        return -1;
                int rc = publish_partition(a, x, e);
                if (rc == NOT_NOW)
                        return err_set(e, ERR_RETRY, "", "%s: no acknowledgement within %d ms",
                                       a->service->topic_dead_letters, ACK_TIMEOUT_MS);
                if (rc < 0)
                        return -1;
        }
        return 0;
}

int dead_letters_publish(struct aggregator *a, struct err *e)
{
        if (monotonic_ms() < a->publish_not_before_ms)
                return 0;
        int rc = publish_due(a, e);
        a->publish_not_before_ms = rc < 0 ? monotonic_ms() + AGGREGATOR_RETRY_MS : 0;
        return rc;
}

#include "aggregator/aggregator.h"

#include "base/log.h"
#include "publish/dead_letter.h"

#include <stdio.h>
#include <string.h>

enum {
        REASON_BYTES = 500,
        QUEUE_BYTES = 4 * 1024 * 1024,
        ACK_TIMEOUT_MS = 5000,
        AGAIN_MS = 1000,
};

bool letter_add(struct aggregator *a, struct share *x, const struct kafka_message *m,
                const char *reason)
{
        BUF_CLEANUP struct buf text;
        size_t size = m->key.len + m->value.len;
        bool large = size > LETTER_KEPT_MAX;
        buf_init(&text, REASON_BYTES);
        if (large)
                dead_letter_not_kept(span_of(reason), size, &text);
        else
                dead_letter_reason(span_of(reason), "", &text);
        struct letter *l = arena_alloc(a->letter_memory, sizeof *l);
        char *copy = arena_strndup(a->letter_memory, buf_str(&text), text.len);
        if (!l || !copy)
                return false;
        *l = (struct letter){ .share = x,
                              .offset = m->unreadable ? m->first : m->offset,
                              .sequence = x->letters + 1,
                              .reason = span_of(copy) };
        if (!large) {
                l->key = arena_span(a->letter_memory, m->key);
                l->value = arena_span(a->letter_memory, m->value);
                if ((m->key.ptr && !l->key.ptr) || (m->value.ptr && !l->value.ptr))
                        return false;
        }
        x->letters++;
        *a->letters_end = l;
        a->letters_end = &l->next;
        return true;
}

/* ---- to the topic ---- */

static void acked(void *ctx, uint64_t token, const struct err *e)
{
        struct aggregator *a = ctx;
        (void)token;
        if (e)
                a->refused = *e;
}

static struct db *database(void *ctx)
{
        return store_db(((struct aggregator *)ctx)->store);
}

int need_publisher(struct aggregator *a, struct err *e)
{
        if (a->publisher)
                return 0;
        struct publisher_options o = { .service = a->service,
                                       .source = "/rollcall/aggregator",
                                       .client_id = "rollcall-aggregator",
                                       .queue_max_bytes = QUEUE_BYTES,
                                       .acked = acked,
                                       .ctx = a,
                                       .database = database };
        return publisher_new(&o, &a->publisher, e);
}

/* 0: queued, or as far as the topic takes it. 1: not now. */
static int publish_one(struct aggregator *a, const struct share *x, const struct letter *l,
                       struct err *e)
{
        const struct letter_origin origin = { a->cluster,   x->topic,  x->partition,
                                              x->source_no, l->offset, 1 };
        struct dead_letter m = { .event_id = dead_letter_id(&origin),
                                 .topic = span_of(x->topic),
                                 .partition = x->partition,
                                 .offset = l->offset,
                                 .reason = l->reason,
                                 .attempts = 1,
                                 .at = instant_now(),
                                 .key = l->key,
                                 .value = l->value };
        if (m.key.len + m.value.len > LETTER_PUBLISHED_MAX) {
                BUF_CLEANUP struct buf reason;
                buf_init(&reason, REASON_BYTES);
                dead_letter_reason(l->reason, "; its bytes are in rollcall.dead_letter", &reason);
                m.reason = arena_span(a->outgoing, (struct span){ buf_str(&reason), reason.len });
                m.key = m.value = (struct span){ 0 };
        }
        int64_t until = monotonic_ms() + ACK_TIMEOUT_MS;
        for (;;) {
                int rc = publish_dead_letter(a->publisher, &m, 0, e);
                if (rc <= 0 || monotonic_ms() >= until)
                        return rc;
                if (publisher_poll(a->publisher, 100, e) < 0)
                        return -1;
        }
}

/* Said here and not when it was stored: a process that dies in between leaves it to the next, which
 * finds it unpublished. */
static void say(struct share *x, const struct letter *l)
{
        if (l->sequence <= x->letters_said)
                return;
        x->letters_said = l->sequence;
        log_warn("undecodable audit event, kept as a dead letter",
                 "topic=%s partition=%d offset=%lld reason=" LOG_Q, x->topic, (int)x->partition,
                 (long long)l->offset, l->reason.ptr);
}

/* Up to a few hundred letters of one share, acknowledged. 0; 1: not now. */
static int publish_share(struct aggregator *a, struct share *x, struct err *e)
{
        struct letter *list = NULL;
        arena_reset(a->outgoing);
        if (store_letters(a->store, x, a->outgoing, &list, e) < 0)
                return -1;
        /* none left: somebody has removed them */
        int64_t last = list ? x->letters_published : x->letters_stored;
        int64_t offset = x->letters_offset;
        a->refused = (struct err)ERR_INIT;
        for (const struct letter *l = list; l; l = l->next) {
                say(x, l);
                int rc = publish_one(a, x, l, e);
                if (rc)
                        return rc;
                last = l->sequence;
                offset = l->offset;
        }
        int rc = list ? publisher_flush(a->publisher, ACK_TIMEOUT_MS, e) : 0;
        if (rc)
                return rc;
        if (a->refused.class != ERR_NONE) {
                *e = a->refused;
                return -1;
        }
        if (store_published(a->store, x, last, e) < 0)
                return -1;
        x->letters_published = last;
        x->letters_offset = offset;
        return 0;
}

static int publish_due(struct aggregator *a, struct err *e)
{
        for (size_t i = 0; i < a->n_shares; i++) {
                struct share *x = &a->shares[i];
                if (x->state != SHARE_READY || x->letters_stored <= x->letters_published)
                        continue;
                int rc = need_publisher(a, e);
                if (rc == 0)
                        rc = publish_share(a, x, e);
                if (rc == 1)
                        return err_set(e, ERR_RETRY, "", "%s: no acknowledgement within %d ms",
                                       a->service->topic_dead_letters, ACK_TIMEOUT_MS);
                if (rc < 0)
                        return -1;
        }
        return 0;
}

int letters_publish(struct aggregator *a, struct err *e)
{
        if (monotonic_ms() < a->publish_at_ms)
                return 0;
        int rc = publish_due(a, e);
        a->publish_at_ms = rc < 0 ? monotonic_ms() + AGAIN_MS : 0;
        return rc;
}

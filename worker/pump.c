#include "pump_internal.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "daemon/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
        POLL_MS = 100,
        MARK_MS = 250,
        BACKOFF_MIN_MS = 250,
        BACKOFF_MAX_MS = 5000,
        LAND_MS = 2000,
        SAY_MS = 60000
};

static void sleep_ms(int ms)
{
        struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };
        nanosleep(&ts, NULL);
}

/* Trouble is said at once, and again each minute while it lasts; its end, too. */
void pump_say(struct pump *p, const struct err *e)
{
        if (strncmp(p->said, e->text, sizeof p->said - 1) == 0 &&
            monotonic_ms() - p->said_ms < SAY_MS)
                return;
        snprintf(p->said, sizeof p->said, "%s", e->text);
        p->said_ms = monotonic_ms();
        log_warn("waiting", "lane=%s pump=%d class=%s error=" LOG_Q, lane_name(p->o->lane),
                 p->o->number, err_class_name(e->class), e->text);
}

static void say_well(struct pump *p)
{
        if (p->said[0])
                log_info("going on", "lane=%s pump=%d", lane_name(p->o->lane), p->o->number);
        p->said[0] = '\0';
        p->failing_ms = 0;
}

/* Everything that is missing is made; what this process owned before is claimed anew. 1: fenced
 * meanwhile. */
static int open_all(struct pump *p, struct err *e)
{
        if (!p->db) {
                if (pump_open_database(p, e) < 0)
                        return -1;
                int rc = p->consumer ? pump_reclaim(p, e) : 0;
                if (rc != 0)
                        return rc;
        }
        return p->publisher && p->consumer ? 0 : pump_open_kafka(p, e);
}

static void commit_offsets(struct pump *p)
{
        struct kafka_partition *list = arena_alloc(p->batch.arena,
                                                   (p->sources.n + 1) * sizeof *list);
        size_t n = 0;
        FAILPOINT("offsets.uncommitted");
        for (size_t i = 0; list && i < p->sources.n; i++)
                if (p->sources.list[i].owned)
                        list[n++] = (struct kafka_partition){ p->sources.list[i].topic,
                                                              p->sources.list[i].partition,
                                                              p->sources.list[i].next };
        if (n)
                kafka_commit_async(p->consumer, list, n);
        FAILPOINT("offsets.committed");
}

static int mark(struct pump *p, struct err *e)
{
        if (monotonic_ms() - p->marked_ms < MARK_MS)
                return 0;
        p->marked_ms = monotonic_ms();
        pump_note_landed(p);
        return transact_mark(&p->transactor, e);
}

/* One turn: recovery, a poll, a batch. 0, 1 fenced, -1 error. */
static int turn(struct pump *p, struct err *e)
{
        if (p->outbox.failed)
                return err_set(e, ERR_RETRY, "", "a message was not accepted by Kafka");
        publisher_poll(p->publisher, 0);
        pump_let_go(p);
        int rc = pump_look(p, e);
        if (rc == 0)
                rc = pump_recover(p, e);
        if (rc != 0)
                return rc;
        rc = pump_take_held(p, e);
        if (rc == 0 && !p->topic)
                rc = pump_resume_intake(p, e);
        if (rc != 0)
                return rc;
        p->polled_ms = monotonic_ms();
        p->refused = false;
        int n = kafka_poll(p->consumer, POLL_MS, p->messages, p->take, e);
        if (n < 0) {
                /* the next claim says what is wrong with the log */
                p->rejoin = strcmp(e->code, "OFFSET_OUT_OF_RANGE") == 0;
                p->broken = e->class == ERR_FATAL && !p->refused && !p->rejoin;
                return -1;
        }
        if (n == 0)
                return mark(p, e);
        FAILPOINT("worker.polled");
        rc = pump_compare(p, p->messages, (size_t)n, e);
        if (rc == 0 && kafka_probe_missing(p->consumer))
                rc = pump_look_at_logs(p, e);
        if (rc == 0)
                rc = pump_recover(p, e); /* the poll may have brought partitions */
        int64_t from = monotonic_ms();
        if (rc == 0)
                rc = p->topic ? pump_take(p, p->messages, (size_t)n, e)
                              : pump_take_intake(p, p->messages, (size_t)n, e);
        if (p->o->lane == LANE_MAIL)
                p->take = batch_paced(p->take, (size_t)n, monotonic_ms() - from, p->batch_max);
        if (rc == 0)
                commit_offsets(p);
        batch_reset(&p->batch);
        kafka_release(p->messages, (size_t)n);
        if (rc == 0)
                say_well(p);
        return rc;
}

/* After a failure nothing in memory counts: acknowledgements under way get a moment to land, the
 * rest is read from the tables again. */
static void lose(struct pump *p, int rc)
{
        if (p->consumer && kafka_consumer_broker_restarted(p->consumer))
                p->broken = true;
        if (p->publisher && !p->outbox.failed && !p->broken)
                (void)!publisher_flush(p->publisher, pump_stopping(p) ? 0 : LAND_MS);
        pump_close_database(p);
        pump_let_go(p);
        if (rc == 1 || p->rejoin || p->broken)
                pump_close_consumer(p); /* fenced: the group knows better who owns what */
        if (p->outbox.failed || p->broken)
                pump_close_publisher(p);
        outbox_reset(&p->outbox);
        p->broken = p->rejoin = false;
}

static void wait_backoff(struct pump *p, int ms)
{
        for (int64_t until = monotonic_ms() + ms; monotonic_ms() < until && !daemon_stopping();) {
                struct err ignored = ERR_INIT;
                if (p->consumer)
                        (void)!kafka_poll(p->consumer, 0, NULL, 0, &ignored);
                sleep_ms(50);
        }
}

static void drain(struct pump *p)
{
        struct err e = ERR_INIT;
        while (p->publisher && !p->outbox.failed && publisher_unacked(p->publisher) &&
               !pump_stopping(p))
                publisher_poll(p->publisher, 100);
        pump_note_landed(p);
        if (p->db && transact_mark(&p->transactor, &e) != 0)
                log_warn("last acknowledgements not noted; they will be published again",
                         "lane=%s error=" LOG_Q, lane_name(p->o->lane), e.text);
}

static int loop(struct pump *p, struct err *e)
{
        int backoff = BACKOFF_MIN_MS;
        while (!daemon_stopping()) {
                int rc = open_all(p, e);
                if (rc < 0 && e->class == ERR_FATAL && !p->started)
                        return -1;
                if (rc == 0 && !p->started) {
                        p->started = true;
                        p->o->ready(p->o->ctx);
                }
                if (rc == 0)
                        rc = turn(p, e);
                if (rc == 0) {
                        backoff = BACKOFF_MIN_MS;
                        continue;
                }
                if (rc == 1)
                        err_set(e, ERR_RETRY, "fenced",
                                "a partition was taken over, left over, or its position moved; joining the group anew");
                p->failed_ms = monotonic_ms();
                p->failing_ms = p->failing_ms ? p->failing_ms : p->failed_ms;
                snprintf(p->failure, sizeof p->failure, "%s", e->text);
                pump_say(p, e);
                lose(p, rc);
                /* two that met in a deadlock are not to meet again */
                wait_backoff(p, backoff / 2 + (int)arc4random_uniform((uint32_t)backoff / 2 + 1));
                backoff = backoff * 2 < BACKOFF_MAX_MS ? backoff * 2 : BACKOFF_MAX_MS;
        }
        drain(p);
        return 0;
}

int pump_run(const struct pump_options *o, struct err *e)
{
        struct pump p = { .o = o,
                          .topic = o->lane == LANE_INTAKE ? NULL : o->service->topics[o->lane] };
        char host[64] = "";
        gethostname(host, sizeof host - 1);
        snprintf(p.owner, sizeof p.owner, "rollcall-worker %s/%d %s#%d", host, (int)getpid(),
                 lane_name(o->lane), o->number);
        snprintf(p.group, sizeof p.group, "%s.worker.%s", o->service->kafka.prefix,
                 lane_name(o->lane));
        int rc = pump_open_base(&p, e);
        if (rc == 0)
                rc = loop(&p, e);
        pump_close(&p);
        return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the Kafka adapter for the tests in Python: a command line for producing and
 * administration, and a consumer that obeys lines on its standard input. Answers are lines of
 * tab-separated fields; an answer of the consumer ends in a line with a dot.
 */
#include "base/log.h"
#include "kafka/kafka.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        PROPERTIES_MAX = 32,
        BATCH_MAX = 10000,
        TIMEOUT_MS = 60000,
        PREFETCH = 8 * 1024 * 1024,
        QUEUE = 16 * 1024 * 1024
};

struct driver {
        struct kafka_options options;
        struct kafka_property properties[PROPERTIES_MAX];
        /* folder: a file TOPIC-PARTITION holds the next offset, as the database would */
        const char *positions;
        int session_ms;
        bool refuse;                   /* `assigned` fails */
        struct kafka_producer *asking; /* made by the first `compare` */
};

static int fail(const struct err *e)
{
        printf("error\t%s\t%s\t%s\n", err_class_name(e->class), e->code, e->text);
        return 1;
}

/* ---- producing ---- */

static void print_delivery(void *ctx, uint64_t token, const char *topic, int32_t partition,
                           int64_t offset, const struct err *e)
{
        (void)ctx;
        if (e)
                fail(e);
        else
                printf("delivered\t%" PRIu64 "\t%s\t%d\t%" PRId64 "\n", token, topic,
                       (int)partition, offset);
}

static int produce_one(struct kafka_producer *p, const struct kafka_record *r, struct err *e)
{
        int res;
        while ((res = kafka_produce(p, r, e)) == KAFKA_WAIT)
                kafka_producer_poll(p, 100);
        return res;
}

/* Lines "key TAB value" from standard input; a missing TAB means a null value, an empty key a null
 * one. */
static int produce(struct driver *d, const char *topic)
{
        struct err e = ERR_INIT;
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        if (kafka_producer_new(&d->options, QUEUE, print_delivery, NULL, &p, &e) < 0)
                return fail(&e);
        char *line CLEANUP(cleanup_free) = NULL;
        size_t cap = 0;
        ssize_t len;
        for (uint64_t token = 0; (len = getline(&line, &cap, stdin)) > 0; token++) {
                line[len - 1] = 0;
                char *tab = strchr(line, '\t');
                size_t key_len = tab ? (size_t)(tab - line) : (size_t)len - 1;
                const struct kafka_header headers[] = { { "ce_id", SPAN_LIT("1") },
                                                        { "ce_type", SPAN_LIT("test") } };
                struct kafka_record r = { topic,
                                          { key_len ? line : NULL, key_len },
                                          span_of(tab ? tab + 1 : NULL),
                                          headers,
                                          ARRAY_LEN(headers),
                                          token };
                if (produce_one(p, &r, &e) < 0)
                        return fail(&e);
                kafka_producer_poll(p, 0);
        }
        return kafka_flush(p, TIMEOUT_MS)
                       ? 0
                       : fail(&(struct err){ ERR_RETRY, "", "flush: time is over" });
}

struct tally {
        size_t acknowledged, failed;
        struct err last;
};

static void count_delivery(void *ctx, uint64_t token, const char *topic, int32_t partition,
                           int64_t offset, const struct err *e)
{
        (void)token, (void)topic, (void)partition, (void)offset;
        struct tally *t = ctx;
        t->acknowledged++;
        if (e) {
                t->failed++;
                t->last = *e;
        }
}

/* `n` messages of `size` bytes with `headers` headers, keys k0 … : the rate. */
static int produce_rate(struct driver *d, const char *topic, size_t n, size_t size,
                        size_t n_headers)
{
        struct err e = ERR_INIT;
        struct tally t = { 0 };
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        char *value CLEANUP(cleanup_free) = calloc(1, size + 1);
        if (!value || kafka_producer_new(&d->options, QUEUE, count_delivery, &t, &p, &e) < 0 ||
            kafka_partition_count(p, topic, TIMEOUT_MS, &e) < 0)
                return fail(&e);
        const struct kafka_header headers[] = {
                { "ce_id", SPAN_LIT("0190163d-8694-739b-aea5-966c26f8ad91") },
                { "ce_type", SPAN_LIT("rollcall.task") },
                { "ce_source", SPAN_LIT("/rollcall/scheduler") },
                { "ce_time", SPAN_LIT("2026-11-21T08:00:00Z") },
                { "ce_specversion", SPAN_LIT("1.0") },
                { "ce_subject", SPAN_LIT("user-0001") },
                { "traceparent",
                  SPAN_LIT("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") }
        };
        int64_t start = monotonic_ms();
        uint32_t noise = 2463534242;
        for (size_t i = 0; i < n; i++) {
                char key[32];
                int len = snprintf(key, sizeof key, "k%zu", i);
                /* xorshift: nothing that compression makes smaller */
                for (size_t k = 0; k < size; k++) {
                        noise ^= noise << 13;
                        noise ^= noise >> 17;
                        noise ^= noise << 5;
                        value[k] = (char)noise;
                }
                struct kafka_record r = { topic,
                                          { key, (size_t)len },
                                          { value, size },
                                          headers,
                                          n_headers < ARRAY_LEN(headers) ? n_headers
                                                                         : ARRAY_LEN(headers),
                                          i };
                if (produce_one(p, &r, &e) < 0)
                        return fail(&e);
                if (i % 1000 == 0)
                        kafka_producer_poll(p, 0);
        }
        if (!kafka_flush(p, TIMEOUT_MS) || t.failed)
                return fail(&t.last);
        int64_t ms = monotonic_ms() - start;
        printf("produced\t%zu\t%" PRId64 "\t%zu\n", t.acknowledged, ms,
               ms ? n * 1000 / (size_t)ms : 0);
        return 0;
}

/* ---- administration ---- */

static int apply(struct driver *d, const char *topic, int partitions, bool dry_run)
{
        static const char *const names[] = { "same", "created", "grown", "larger" };
        struct err e = ERR_INIT;
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        const struct kafka_property config[] = { { "retention.ms", "3600000" } };
        struct kafka_topic_spec spec = { topic, partitions, 1, config, ARRAY_LEN(config) };
        enum topic_change change;
        if (kafka_producer_new(&d->options, QUEUE, NULL, NULL, &p, &e) < 0 ||
            kafka_topic_apply(p, &spec, dry_run, &change, &e) < 0)
                return fail(&e);
        printf("%s\n", names[change]);
        return 0;
}

static int show(struct driver *d, const char *topic)
{
        struct err e = ERR_INIT;
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        if (kafka_producer_new(&d->options, QUEUE, NULL, NULL, &p, &e) < 0)
                return fail(&e);
        const char *cluster = kafka_producer_cluster(p, 5000);
        int n = kafka_partition_count(p, topic, 1000, &e);
        printf("cluster\t%s\n", cluster ? cluster : "");
        return n < 0 ? fail(&e) : printf("partitions\t%d\n", n) < 0;
}

/* ---- consuming ---- */

static void position_path(const struct driver *d, const struct kafka_partition *p, char path[4096])
{
        snprintf(path, 4096, "%s/%s-%d", d->positions, p->topic, (int)p->partition);
}

static int on_assigned(void *ctx, struct kafka_partition *list, size_t n, struct err *e)
{
        const struct driver *d = ctx;
        if (d->refuse)
                return err_set(e, ERR_RETRY, "", "the database is unavailable");
        for (size_t i = 0; i < n; i++) {
                char path[4096];
                list[i].offset = 0;
                position_path(d, &list[i], path);
                FILE *f = d->positions ? fopen(path, "re") : NULL;
                if (f && fscanf(f, "%" SCNd64, &list[i].offset) != 1)
                        list[i].offset = 0;
                if (f)
                        fclose(f);
                printf("assigned\t%s\t%d\t%" PRId64 "\n", list[i].topic, (int)list[i].partition,
                       list[i].offset);
        }
        return 0;
}

static void on_revoked(void *ctx, const struct kafka_partition *list, size_t n, bool lost)
{
        (void)ctx;
        for (size_t i = 0; i < n; i++)
                printf("revoked\t%s\t%d\t%s\n", list[i].topic, (int)list[i].partition,
                       lost ? "lost" : "given");
}

static void store_position(const struct driver *d, const struct kafka_message *m)
{
        char path[4096], temp[4200];
        position_path(d, &(struct kafka_partition){ m->topic, m->partition, 0 }, path);
        snprintf(temp, sizeof temp, "%s.%d", path, (int)getpid());
        FILE *f = fopen(temp, "we");
        if (!f)
                return;
        fprintf(f, "%" PRId64 "\n", m->offset + 1);
        fclose(f);
        rename(temp, path);
}

/* One poll; its messages are printed, their positions stored, and committed to the group. Returns
 * their number, -1 after an error. */
static int take(struct driver *d, struct kafka_consumer *c, int timeout_ms, size_t max, bool quiet)
{
        static struct kafka_message list[BATCH_MAX];
        struct err e = ERR_INIT;
        int n = kafka_poll(c, timeout_ms, list, max < BATCH_MAX ? max : BATCH_MAX, &e);
        if (n < 0) {
                fail(&e);
                return -1;
        }
        for (int i = 0; i < n; i++) {
                const struct kafka_message *m = &list[i];
                if (!quiet)
                        printf("message\t%s\t%d\t%" PRId64 "\t%.*s\t%.*s\n", m->topic,
                               (int)m->partition, m->offset, SPAN_FMT(m->key), SPAN_FMT(m->value));
                bool last = i + 1 == n || list[i + 1].partition != m->partition ||
                            list[i + 1].topic != m->topic;
                if (d->positions && last)
                        store_position(d, m);
                if (last)
                        kafka_commit_async(
                                c,
                                &(struct kafka_partition){ m->topic, m->partition, m->offset + 1 },
                                1);
        }
        kafka_release(list, (size_t)n);
        return n;
}

/* Polls until `count` messages are there, an error comes, or the time is over. */
static void drain(struct driver *d, struct kafka_consumer *c, int64_t count, int timeout_ms,
                  bool quiet)
{
        int64_t until = monotonic_ms() + timeout_ms, first = 0, got = 0;
        while (got < count && monotonic_ms() < until) {
                int64_t want = count - got;
                int n = take(d, c, 50, want < BATCH_MAX ? (size_t)want : BATCH_MAX, quiet);
                if (n < 0)
                        break;
                if (n && !first)
                        first = monotonic_ms();
                got += n;
        }
        printf("drained\t%" PRId64 "\t%" PRId64 "\n", got, first ? monotonic_ms() - first : 0);
}

/* As drain, but with the work of a real consumer: 10 ms for at most 1000 messages. */
static void drain_slowly(struct driver *d, struct kafka_consumer *c, int64_t count, int timeout_ms)
{
        int64_t start = 0, until = monotonic_ms() + timeout_ms, got = 0;
        while (got < count && monotonic_ms() < until) {
                int n = take(d, c, 50, 1000, true);
                if (n > 0 && !start)
                        start = monotonic_ms();
                got += n > 0 ? n : 0;
                if (n > 0)
                        usleep(10000);
        }
        printf("drained\t%" PRId64 "\t%" PRId64 "\n", got, start ? monotonic_ms() - start : 0);
}

static int compare(struct driver *d, struct kafka_consumer *c, struct err *e)
{
        struct kafka_partition others[10];
        if (!d->asking &&
            kafka_producer_new(&d->options, QUEUE, print_delivery, NULL, &d->asking, e) < 0)
                return -1;
        int n = kafka_find_recreated(c, d->asking, 5000, others, 10, e);
        for (int i = 0; i < n; i++)
                printf("other\t%s\t%d\n", others[i].topic, (int)others[i].partition);
        return n < 0 ? -1 : 0;
}

static void obey(struct driver *d, struct kafka_consumer *c, char *line)
{
        struct err e = ERR_INIT;
        char topic[KAFKA_TOPIC_MAX + 1];
        int a = 0, b = 0;
        int64_t x = 0, y = 0;
        if (sscanf(line, "poll %d %d", &a, &b) == 2)
                take(d, c, a, (size_t)b, false);
        else if (sscanf(line, "drain %" SCNd64 " %d", &x, &a) == 2)
                drain(d, c, x, a, false);
        else if (sscanf(line, "rate %" SCNd64 " %d", &x, &a) == 2)
                drain(d, c, x, a, true);
        else if (sscanf(line, "slow %" SCNd64 " %d", &x, &a) == 2)
                drain_slowly(d, c, x, a);
        else if (sscanf(line, "seek %249s %d %" SCNd64, topic, &a, &x) == 3)
                a = kafka_seek(c, topic, a, x, &e);
        else if (sscanf(line, "pause %249s %d %d", topic, &a, &b) == 3)
                a = kafka_pause_partition(c, topic, a, b, &e);
        else if (sscanf(line, "refuse %d", &a) == 1)
                d->refuse = a;
        else if (sscanf(line, "watermarks %249s %d", topic, &a) == 2 &&
                 kafka_watermarks(c, topic, a, &x, &y, 5000, &e) == 0)
                printf("watermarks\t%" PRId64 "\t%" PRId64 "\n", x, y);
        else if (strcmp(line, "compare") == 0)
                a = compare(d, c, &e);
        else if (strcmp(line, "cluster") == 0)
                printf("cluster\t%s\n", kafka_consumer_cluster(c, 5000));
        if (e.class != ERR_NONE)
                fail(&e);
        puts(".");
}

static int consume(struct driver *d, const char *group, char **topics, size_t n)
{
        struct err e = ERR_INIT;
        struct kafka_consumer *c CLEANUP(kafka_consumer_cleanup) = NULL;
        struct kafka_consumer_options o = {
                .group = group,
                .topics = (const char *const *)topics,
                .n_topics = n,
                .session_timeout_ms = d->session_ms,
                .prefetch_max_bytes = PREFETCH,
                .events = { d, on_assigned, on_revoked },
        };
        if (kafka_consumer_new(&d->options, &o, &c, &e) < 0)
                return fail(&e);
        char *line CLEANUP(cleanup_free) = NULL;
        size_t cap = 0;
        ssize_t len;
        while ((len = getline(&line, &cap, stdin)) > 0) {
                line[len - 1] = 0;
                if (strcmp(line, "quit") == 0)
                        break;
                obey(d, c, line);
                fflush(stdout);
        }
        kafka_producer_free(d->asking);
        return 0;
}

/* ---- command line ---- */

static void add_property(struct driver *d, char *text)
{
        char *equals = strchr(text, '=');
        if (!equals || d->options.n_properties == PROPERTIES_MAX)
                return;
        *equals = 0;
        d->properties[d->options.n_properties++] = (struct kafka_property){ text, equals + 1 };
}

static int run(struct driver *d, int argc, char **argv)
{
        const char *command = argc ? argv[0] : "";
        if (strcmp(command, "produce") == 0 && argc == 2)
                return produce(d, argv[1]);
        if (strcmp(command, "produce-rate") == 0 && argc == 5)
                return produce_rate(d, argv[1], strtoul(argv[2], NULL, 10),
                                    strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
        if ((strcmp(command, "apply") == 0 || strcmp(command, "apply-dry-run") == 0) && argc == 3)
                return apply(d, argv[1], atoi(argv[2]), command[5]);
        if (strcmp(command, "show") == 0 && argc == 2)
                return show(d, argv[1]);
        if (strcmp(command, "consume") == 0 && argc >= 3)
                return consume(d, argv[1], argv + 2, (size_t)argc - 2);
        fputs("usage: kafka_driver -b BROKERS | -e FILE [-x NAME=VALUE] [-p FOLDER] [-s "
              "SESSION_MS] [-v] COMMAND …\n",
              stderr);
        return 2;
}

int main(int argc, char **argv)
{
        struct driver d = { .options.client_id = "kafka_driver" };
        d.options.properties = d.properties;
        log_init("kafka_driver", LOG_LEVEL_WARN);
        int c;
        while ((c = getopt(argc, argv, "+b:e:x:p:s:v")) != -1)
                switch (c) {
                case 'b':
                        d.options.brokers = optarg;
                        break;
                case 'e':
                        d.options.embedded = optarg;
                        break;
                case 'x':
                        add_property(&d, optarg);
                        break;
                case 'p':
                        d.positions = optarg;
                        break;
                case 's':
                        d.session_ms = atoi(optarg);
                        break;
                case 'v':
                        log_set_level(LOG_LEVEL_DEBUG);
                        break;
                default:
                        return 2;
                }
        return run(&d, argc - optind, argv + optind);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another service, connected already, that requests something now and then and reads the audit
 * events: when was each request handed to Kafka, and when was its event in our hands? bench-latency
 * BOOTSTRAP TASKS-TOPIC RESULTS-TOPIC INTERVAL_MS FETCH_WAIT_MS Standard input: a request a line,
 * "task id, subject, message", the id and the message in hex. Prints "task id, sent, read" each,
 * Unix seconds. A producer and a consumer as librdkafka makes them, but for linger (0: one request
 * is no batch) and the wait of a fetch.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
        TIMEOUT_MS = 30000,
        LINE = 8192,
        ID = 16,
        ID_AT = 26 /* in an event: after the header of ten bytes and the event's own id */
};

struct request {
        unsigned char id[ID];
        char hex[2 * ID + 1], subject[64];
        unsigned char *message;
        size_t len;
        double sent, read;
};

struct reader {
        rd_kafka_t *rk;
        struct request *list;
        size_t n;
        atomic_size_t seen;
        atomic_size_t started; /* requests that have been sent */
        atomic_bool stop;
};

static void die(const char *what, const char *why)
{
        fprintf(stderr, "bench-latency: %s: %s\n", what, why);
        exit(1);
}

static double now(void)
{
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *bootstrap,
                          const char *const settings[][2], size_t n)
{
        char why[512];
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why);
        rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
        for (size_t i = 0; i < n; i++)
                if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why) !=
                    RD_KAFKA_CONF_OK)
                        die("configuration", why);
        rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
        if (!rk)
                die("client", why);
        return rk;
}

/* Reads from where the topic's partitions end now. */
static void assign_ends(rd_kafka_t *rk, const char *topic)
{
        const struct rd_kafka_metadata *md;
        rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
        rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, t, &md, TIMEOUT_MS);
        if (code)
                die(topic, rd_kafka_err2str(code));
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(
                md->topics[0].partition_cnt);
        for (int p = 0; p < md->topics[0].partition_cnt; p++) {
                int64_t low, high;
                code = rd_kafka_query_watermark_offsets(rk, topic, p, &low, &high, TIMEOUT_MS);
                if (code)
                        die(topic, rd_kafka_err2str(code));
                rd_kafka_topic_partition_list_add(list, topic, p)->offset = high;
        }
        rd_kafka_assign(rk, list);
        rd_kafka_topic_partition_list_destroy(list);
        rd_kafka_metadata_destroy(md);
        rd_kafka_topic_destroy(t);
}

static void note(struct reader *r, const unsigned char *id, double at)
{
        for (size_t i = r->started; i-- > 0;)
                if (memcmp(r->list[i].id, id, ID) == 0 && r->list[i].read == 0) {
                        r->list[i].read = at;
                        r->seen++;
                        return;
                }
}

static void *run_reader(void *ctx)
{
        struct reader *r = ctx;
        while (!r->stop && r->seen < r->n) {
                rd_kafka_message_t *m = rd_kafka_consumer_poll(r->rk, 100);
                if (m && !m->err && m->len >= ID_AT + ID &&
                    memmem(m->payload, m->len, "bench.touch", 11))
                        note(r, (unsigned char *)m->payload + ID_AT, now());
                if (m)
                        rd_kafka_message_destroy(m);
        }
        return NULL;
}

static size_t unhex(const char *hex, unsigned char *ret)
{
        size_t n = 0;
        for (unsigned byte; sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
                ret[n] = (unsigned char)byte;
        return n;
}

static struct request *read_requests(size_t *ret_n)
{
        static char line[LINE], message[LINE];
        struct request *list = NULL;
        size_t n = 0;
        for (; fgets(line, sizeof line, stdin); n++) {
                list = reallocarray(list, n + 1, sizeof *list);
                if (!list)
                        die("input", "out of memory");
                struct request *q = &list[n];
                *q = (struct request){ .message = malloc(LINE / 2) };
                if (!q->message ||
                    sscanf(line, "%32s %63s %8191s", q->hex, q->subject, message) != 3 ||
                    unhex(q->hex, q->id) != ID)
                        die("input", line);
                q->len = unhex(message, q->message);
        }
        *ret_n = n;
        return list;
}

static void send_all(rd_kafka_t *rk, const char *topic, struct reader *r, int interval_ms)
{
        const struct rd_kafka_metadata *md;
        rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
        /* so it is connected, and knows the topic */
        rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, t, &md, TIMEOUT_MS);
        if (code)
                die(topic, rd_kafka_err2str(code));
        rd_kafka_metadata_destroy(md);
        for (size_t i = 0; i < r->n; i++) {
                struct request *q = &r->list[i];
                q->sent = now();
                r->started = i + 1;
                if (rd_kafka_produce(t, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, q->message,
                                     q->len, q->subject, strlen(q->subject), NULL) < 0)
                        die(topic, rd_kafka_err2str(rd_kafka_last_error()));
                rd_kafka_poll(rk, 0);
                nanosleep(&(struct timespec){ interval_ms / 1000, interval_ms % 1000 * 1000000L },
                          NULL);
        }
        rd_kafka_flush(rk, TIMEOUT_MS);
        rd_kafka_topic_destroy(t);
}

int main(int argc, char **argv)
{
        if (argc != 6)
                die("usage",
                    "bench-latency BOOTSTRAP TASKS-TOPIC RESULTS-TOPIC INTERVAL_MS FETCH_WAIT_MS");
        const char *const producing[][2] = { { "linger.ms", "0" },
                                             { "acks", "all" },
                                             { "partitioner", "murmur2_random" },
                                             { "socket.nagle.disable", "true" } };
        const char *const consuming[][2] = { { "group.id", "bench-latency" },
                                             { "enable.auto.commit", "false" },
                                             { "fetch.wait.max.ms", argv[5] },
                                             { "socket.nagle.disable", "true" } };
        struct reader r = { .rk = client(RD_KAFKA_CONSUMER, argv[1], consuming, 4) };
        r.list = read_requests(&r.n);
        rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, argv[1], producing, 4);
        rd_kafka_poll_set_consumer(r.rk);
        assign_ends(r.rk, argv[3]);
        pthread_t thread;
        if (pthread_create(&thread, NULL, run_reader, &r) != 0)
                die("reader", "no thread");
        send_all(producer, argv[2], &r, atoi(argv[4]));
        for (int waited = 0; r.seen < r.n && waited < TIMEOUT_MS; waited += 10)
                nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        r.stop = true;
        pthread_join(thread, NULL);
        if (r.seen < r.n)
                die("reader", "events are missing");
        for (size_t i = 0; i < r.n; i++)
                printf("%s %.6f %.6f\n", r.list[i].hex, r.list[i].sent, r.list[i].read);
        fflush(stdout);
        _Exit(0); /* what is left to say goodbye to is measured by nobody */
}

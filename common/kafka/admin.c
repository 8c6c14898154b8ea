/* SPDX-License-Identifier: Apache-2.0 */
/* Creates topics and adds partitions to them. */
#include "kafka/producer.h"

#include <stdio.h>

enum { ADMIN_TIMEOUT_MS = 15000 };

DEFINE_CLEANUP(new_topic_cleanup, rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy)
DEFINE_CLEANUP(new_partitions_cleanup, rd_kafka_NewPartitions_t, rd_kafka_NewPartitions_destroy)
DEFINE_CLEANUP(options_cleanup, rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy)
DEFINE_CLEANUP(queue_cleanup, rd_kafka_queue_t, rd_kafka_queue_destroy)
DEFINE_CLEANUP(event_cleanup, rd_kafka_event_t, rd_kafka_event_destroy)

/* The result of the one topic of a request; the whole request may have failed instead. */
static int topic_result(rd_kafka_event_t *event, const char *topic, struct err *e)
{
        if (!event)
                return err_set(e, ERR_RETRY, "_TIMED_OUT",
                               "topic %s: no answer from the brokers within %d s", topic,
                               ADMIN_TIMEOUT_MS / 1000);
        if (rd_kafka_event_error(event))
                return client_err(e, rd_kafka_event_error(event), "topic %s: %s", topic,
                                  rd_kafka_event_error_string(event));
        size_t n = 0;
        const rd_kafka_topic_result_t **results =
                rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT
                        ? rd_kafka_CreateTopics_result_topics(
                                  rd_kafka_event_CreateTopics_result(event), &n)
                        : rd_kafka_CreatePartitions_result_topics(
                                  rd_kafka_event_CreatePartitions_result(event), &n);
        if (n != 1)
                return err_set(e, ERR_RETRY, "", "topic %s: %zu answers to one request", topic, n);
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[0]);
        if (!code)
                return 0;
        const char *why = rd_kafka_topic_result_error_string(results[0]);
        if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
                return err_set(e, ERR_RETRY, rd_kafka_err2name(code),
                               "topic %s has just been created by somebody else", topic);
        return client_err(e, code, "topic %s: %s", topic, why ? why : "");
}

static rd_kafka_AdminOptions_t *options_new(struct kafka_producer *p, rd_kafka_admin_op_t op)
{
        rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(p->rk, op);
        char why[256];
        if (o) {
                rd_kafka_AdminOptions_set_request_timeout(o, ADMIN_TIMEOUT_MS, why, sizeof why);
                rd_kafka_AdminOptions_set_operation_timeout(o, ADMIN_TIMEOUT_MS, why, sizeof why);
        }
        return o;
}

static int create_topic(struct kafka_producer *p, const struct kafka_topic_spec *t, struct err *e)
{
        char why[512];
        rd_kafka_NewTopic_t *topic CLEANUP(new_topic_cleanup) = rd_kafka_NewTopic_new(
                t->name, t->partitions, t->replication > 0 ? t->replication : -1, why, sizeof why);
        if (!topic)
                return err_set(e, ERR_FATAL, "_INVALID_ARG", "topic %s: %s", t->name, why);
        for (size_t i = 0; i < t->n_config; i++) {
                rd_kafka_resp_err_t code = rd_kafka_NewTopic_set_config(topic, t->config[i].name,
                                                                        t->config[i].value);
                if (code)
                        return client_err(e, code, "topic %s: %s", t->name, t->config[i].name);
        }
        rd_kafka_AdminOptions_t *options CLEANUP(options_cleanup) = options_new(
                p, RD_KAFKA_ADMIN_OP_CREATETOPICS);
        rd_kafka_queue_t *queue CLEANUP(queue_cleanup) = rd_kafka_queue_new(p->rk);
        rd_kafka_CreateTopics(p->rk, &topic, 1, options, queue);
        rd_kafka_event_t *event CLEANUP(event_cleanup) = rd_kafka_queue_poll(
                queue, ADMIN_TIMEOUT_MS + 1000);
        return topic_result(event, t->name, e);
}

static int add_partitions(struct kafka_producer *p, const struct kafka_topic_spec *t, struct err *e)
{
        char why[512];
        rd_kafka_NewPartitions_t *more CLEANUP(new_partitions_cleanup) = rd_kafka_NewPartitions_new(
                t->name, (size_t)t->partitions, why, sizeof why);
        if (!more)
                return err_set(e, ERR_FATAL, "_INVALID_ARG", "topic %s: %s", t->name, why);
        rd_kafka_AdminOptions_t *options CLEANUP(options_cleanup) = options_new(
                p, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
        rd_kafka_queue_t *queue CLEANUP(queue_cleanup) = rd_kafka_queue_new(p->rk);
        rd_kafka_CreatePartitions(p->rk, &more, 1, options, queue);
        rd_kafka_event_t *event CLEANUP(event_cleanup) = rd_kafka_queue_poll(
                queue, ADMIN_TIMEOUT_MS + 1000);
        return topic_result(event, t->name, e);
}

/* The controller has answered; the metadata, which all other requests of this client depend on,
 * follow a moment later. */
static int await_partitions(struct kafka_producer *p, const struct kafka_topic_spec *t,
                            struct err *e)
{
        int64_t until = monotonic_ms() + ADMIN_TIMEOUT_MS;
        while (monotonic_ms() < until) {
                int n = producer_partitions(p, t->name, true, ADMIN_TIMEOUT_MS, e);
                if (n < 0 || n >= t->partitions)
                        return n < 0 ? -1 : 0;
                rd_kafka_poll(p->rk, 50);
        }
        return err_set(
                e, ERR_RETRY, "_TIMED_OUT",
                "topic %s was created, but the brokers do not report its %d partitions after %d s",
                t->name, t->partitions, ADMIN_TIMEOUT_MS / 1000);
}

int kafka_topic_apply(struct kafka_producer *p, const struct kafka_topic_spec *t, bool dry_run,
                      enum topic_change *ret, struct err *e)
{
        if (t->partitions < 1)
                return err_set(e, ERR_FATAL, "_INVALID_ARG", "topic %s: %d partitions", t->name,
                               t->partitions);
        int now = producer_partitions(p, t->name, true, ADMIN_TIMEOUT_MS, e);
        if (now < 0)
                return -1;
        enum topic_change change = now == 0              ? TOPIC_CREATED
                                   : now < t->partitions ? TOPIC_GROWN
                                   : now > t->partitions ? TOPIC_LARGER
                                                         : TOPIC_SAME;
        if (!dry_run && change == TOPIC_CREATED &&
            (p->embedded ? embedded_create_topic(&p->address, t->name, t->partitions, e)
                         : create_topic(p, t, e)) < 0)
                return -1;
        if (change == TOPIC_GROWN && p->embedded)
                return err_set(e, ERR_FATAL, "INVALID_PARTITIONS",
                               "topic %s: the embedded broker cannot add partitions (%d, wanted "
                               "%d): restart it",
                               t->name, now, t->partitions);
        if (!dry_run && change == TOPIC_GROWN && add_partitions(p, t, e) < 0)
                return -1;
        if (!dry_run && (change == TOPIC_CREATED || change == TOPIC_GROWN) &&
            await_partitions(p, t, e) < 0)
                return -1;
        *ret = change;
        return 0;
}

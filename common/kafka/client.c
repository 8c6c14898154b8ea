/* SPDX-License-Identifier: Apache-2.0 */
/* What both kinds of client share: settings, errors, the log, and queries of offsets and metadata.
 */
#include "kafka/client.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Correctness depends on these; only this file and its callers set them. */
static const char *const reserved[] = {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.gapless.guarantee",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.protocol",
        "message.timeout.ms",
        "metadata.broker.list",
        "partition.assignment.strategy",
        "partitioner",
        "request.required.acks",
};

static const struct client_setting common_settings[] = {
        { "log.connection.close", "false", false },
        { "socket.nagle.disable", "true", false },
        { "reconnect.backoff.max.ms", "2000", false },
        { "topic.metadata.refresh.interval.ms", "30000", false },
};

static const struct client_setting embedded_settings[] = {
        { "allow.auto.create.topics", "true", false },
        { "topic.metadata.refresh.interval.ms", "5000", false },
        { "reconnect.backoff.max.ms", "250", false },
};

static enum err_class class_of(rd_kafka_resp_err_t code)
{
        switch (code) {
        case RD_KAFKA_RESP_ERR__FATAL:
        case RD_KAFKA_RESP_ERR__INVALID_ARG:
        case RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE:
        case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
        case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
        case RD_KAFKA_RESP_ERR__NOT_CONFIGURED:
        case RD_KAFKA_RESP_ERR__FENCED:
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
        case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
        case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
        case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
        case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
                return ERR_FATAL;
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_INVALID_MSG:
        case RD_KAFKA_RESP_ERR_INVALID_RECORD:
                return ERR_INPUT;
        default:
                return ERR_RETRY;
        }
}

int client_err(struct err *e, rd_kafka_resp_err_t code, const char *fmt, ...)
{
        char what[600];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(what, sizeof what, fmt, ap);
        va_end(ap);
        return err_set(e, class_of(code), rd_kafka_err2name(code), "%s: %s", what,
                       rd_kafka_err2str(code));
}

void client_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
        /* librdkafka retries these by itself. The caller gets one error when it matters (all
         * brokers are down), so they need no line a second. */
        static const char *const noise[] = { "FAIL",      "ERROR",      "GETPID",  "CONFWARN",
                                             "TERMINATE", "COORDQUERY", "REQTMOUT" };
        /* syslog: 4 is a warning */
        enum log_level to = level <= 4 ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG;
        for (size_t i = 0; i < ARRAY_LEN(noise); i++)
                if (strcmp(facility, noise[i]) == 0)
                        to = LOG_LEVEL_DEBUG;
        log_write(to, "kafka client", "client=%s facility=%s text=" LOG_Q,
                  rk ? rd_kafka_name(rk) : "", facility, text);
}

static int set_property(rd_kafka_conf_t *conf, const char *name, const char *value, bool optional,
                        struct err *e)
{
        char why[512];
        rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, name, value, why, sizeof why);
        if (res == RD_KAFKA_CONF_OK || (optional && res == RD_KAFKA_CONF_UNKNOWN))
                return 0;
        return err_set(e, ERR_FATAL, "_INVALID_ARG", "kafka property %s: %s", name, why);
}

static int set_all(rd_kafka_conf_t *conf, const struct client_setting *s, size_t n, struct err *e)
{
        for (size_t i = 0; i < n; i++)
                if (set_property(conf, s[i].name, s[i].value, s[i].optional, e) < 0)
                        return -1;
        return 0;
}

static int set_properties(rd_kafka_conf_t *conf, const struct kafka_options *o, struct err *e)
{
        for (size_t i = 0; i < o->n_properties; i++) {
                for (size_t r = 0; r < ARRAY_LEN(reserved); r++)
                        if (strcmp(o->properties[i].name, reserved[r]) == 0)
                                return err_set(e, ERR_FATAL, "_INVALID_ARG",
                                               "kafka property %s cannot be set: remove it",
                                               reserved[r]);
                if (set_property(conf, o->properties[i].name, o->properties[i].value, false, e) < 0)
                        return -1;
        }
        return 0;
}

static int set_everything(rd_kafka_conf_t *conf, const struct kafka_options *o,
                          const struct client_setting *settings, size_t n,
                          struct embedded_address *address, struct err *e)
{
        const char *brokers = o->brokers;
        if (o->embedded) {
                if (embedded_read(o->embedded, address, e) < 0)
                        return -1;
                brokers = address->bootstrap;
        }
        if (!brokers || !*brokers)
                return err_set(e, ERR_FATAL, "_INVALID_ARG", "no kafka brokers are configured");
        if (set_property(conf, "bootstrap.servers", brokers, false, e) < 0 ||
            set_property(conf, "client.id", o->client_id ? o->client_id : "rollcall", false, e) < 0)
                return -1;
        if (set_all(conf, common_settings, ARRAY_LEN(common_settings), e) < 0)
                return -1;
        if (o->embedded && set_all(conf, embedded_settings, ARRAY_LEN(embedded_settings), e) < 0)
                return -1;
        if (set_all(conf, settings, n, e) < 0)
                return -1;
        return set_properties(conf, o, e);
}

int client_conf(const struct kafka_options *o, const struct client_setting *settings, size_t n,
                struct embedded_address *address, rd_kafka_conf_t **ret, struct err *e)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_conf_set_log_cb(conf, client_log);
        if (set_everything(conf, o, settings, n, address, e) < 0) {
                rd_kafka_conf_destroy(conf);
                return -1;
        }
        *ret = conf;
        return 0;
}

int client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret, struct err *e)
{
        char why[512];
        rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
        if (!rk) {
                rd_kafka_conf_destroy(conf);
                return err_set(e, ERR_FATAL, rd_kafka_err2name(rd_kafka_last_error()),
                               "kafka client: %s", why);
        }
        *ret = rk;
        return 0;
}

/* Not rd_kafka_query_watermark_offsets: before 2.4 it never returns while the leader is
 * unavailable. */
int client_offsets(rd_kafka_t *rk, const char *topic, int32_t first, int n, int64_t which,
                   int64_t *ret, int timeout_ms, struct err *e)
{
        rd_kafka_topic_partition_list_t *list CLEANUP(
                tplist_cleanup) = rd_kafka_topic_partition_list_new(n);
        for (int32_t i = 0; i < n; i++)
                rd_kafka_topic_partition_list_add(list, topic, first + i)->offset = which;
        rd_kafka_resp_err_t code = n ? rd_kafka_offsets_for_times(rk, list, timeout_ms)
                                     : RD_KAFKA_RESP_ERR_NO_ERROR;
        for (int i = 0; i < n; i++) {
                rd_kafka_topic_partition_t *p = &list->elems[i];
                if (code || p->err)
                        return client_err(e, code ? code : p->err, "%s [%d]: first and last offset",
                                          topic, (int)p->partition);
                ret[p->partition - first] = p->offset;
        }
        return 0;
}

bool client_cluster(rd_kafka_t *rk, int timeout_ms, char id[KAFKA_CLUSTER_ID_MAX])
{
        if (id[0])
                return true;
        char *found = rd_kafka_clusterid(rk, timeout_ms);
        if (!found)
                return false;
        snprintf(id, KAFKA_CLUSTER_ID_MAX, "%s", found);
        rd_kafka_mem_free(rk, found);
        return true;
}

int client_partitions(rd_kafka_t *rk, rd_kafka_topic_t *rkt, const char *topic, int timeout_ms,
                      struct err *e)
{
        const struct rd_kafka_metadata *md = NULL;
        rd_kafka_resp_err_t code = rd_kafka_metadata(rk, !rkt, rkt, &md, timeout_ms);
        if (code)
                return client_err(e, code, "metadata of %s", topic);
        int n = 0;
        for (int i = 0; i < md->topic_cnt; i++) {
                const struct rd_kafka_metadata_topic *t = &md->topics[i];
                if (strcmp(t->topic, topic) != 0)
                        continue;
                n = t->partition_cnt;
                if (t->err && t->err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
                    t->err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
                        n = client_err(e, t->err, "topic %s", topic);
        }
        rd_kafka_metadata_destroy(md);
        return n;
}

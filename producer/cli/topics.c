/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall topics apply` and `topics list`. */
#include "topics.h"

#include "output.h"
#include "commands.h"

#include <inttypes.h>

static void add_topic(const struct service *s, const char *name, const char *lane,
                      const struct kafka_property *config, struct topics *ret)
{
        ret->lane[ret->n] = lane;
        ret->list[ret->n++] = (struct kafka_topic_spec){
                .name = name,
                .partitions = (int)s->kafka.partitions,
                .replication = (int)s->kafka.replication,
                .config = config,
                .n_config = TOPIC_PROPERTIES,
        };
}

void topics_of(const struct service *s, struct topics *ret)
{
        const int64_t retention[TOPIC_KINDS] = { s->kafka.retention_ms, s->kafka.retention_ms,
                                                 s->kafka.results_retention_ms };
        for (size_t i = 0; i < TOPIC_KINDS; i++) {
                snprintf(ret->retention[i], sizeof ret->retention[i], "%" PRId64, retention[i]);
                ret->config[i][0] = (struct kafka_property){ "retention.ms", ret->retention[i] };
                /* whatever the brokers' default: programs have room for so much */
                ret->config[i][1] = (struct kafka_property){ "max.message.bytes", "1048588" };
                /* strangers write there: a batch that opens to more is refused by the broker, which
                 * opens it */
                ret->config[i][2] = (struct kafka_property){ "compression.type",
                                                             i == TOPIC_INTAKE ? "uncompressed"
                                                                               : "producer" };
        }
        ret->n = 0;
        for (size_t i = 0; i < s->n_sources; i++)
                add_topic(s, s->sources[i], lane_name(i < LANE_COUNT ? (enum lane)i : LANE_INTAKE),
                          ret->config[i < LANE_COUNT ? TOPIC_LANE : TOPIC_INTAKE], ret);
        add_topic(s, s->topic_results, "results", ret->config[TOPIC_RESULTS], ret);
        add_topic(s, s->topic_dead_letters, "dead-letters", ret->config[TOPIC_RESULTS], ret);
}

/* What was, or with a dry run would be, done. */
static const char *change_text(enum topic_change change, bool dry_run)
{
        switch (change) {
        case TOPIC_CREATED:
                return dry_run ? "would be created" : "created";
        case TOPIC_GROWN:
                return dry_run ? "partitions would be added" : "partitions added";
        case TOPIC_LARGER:
                return "has more partitions than configured, not changed";
        default:
                return "as configured";
        }
}

int verb_topics_apply(struct cli *c, const struct args *a)
{
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        bool dry_run = args_on(a, "dry-run");
        int rc = cli_kafka(c, &p);
        if (rc)
                return rc;
        struct topics topics;
        topics_of(c->service, &topics);
        json_t *list = c->json ? json_array() : NULL;
        for (size_t i = 0; i < topics.n; i++) {
                struct err e = ERR_INIT;
                enum topic_change change;
                if (kafka_topic_apply(p, &topics.list[i], dry_run, &change, &e) < 0) {
                        rc = cli_fail_by_class(CODE_FAILED, &e);
                        continue;
                }
                if (list)
                        json_array_append_new(
                                list,
                                json_pack("{s:s, s:i, s:s, s:b}", "topic", topics.list[i].name,
                                          "partitions", topics.list[i].partitions, "result",
                                          change_text(change, dry_run), "changed",
                                          change == TOPIC_CREATED || change == TOPIC_GROWN));
                else
                        printf("%s: %s (%d partitions configured)\n", topics.list[i].name,
                               change_text(change, dry_run), topics.list[i].partitions);
        }
        if (list)
                print_json(list);
        return rc;
}

static const char *state_text(enum topic_change change)
{
        switch (change) {
        case TOPIC_CREATED:
                return "missing";
        case TOPIC_GROWN:
                return "fewer partitions than configured";
        case TOPIC_LARGER:
                return "more partitions than configured";
        default:
                return "ok";
        }
}

int verb_topics_list(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "TOPIC",      "LANE",  "PARTITIONS",
                                             "CONFIGURED", "STATE", NULL };
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        (void)a;
        int rc = cli_kafka(c, &p);
        if (rc)
                return rc;
        struct topics topics;
        topics_of(c->service, &topics);
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        json_t *list = json_array();
        for (size_t i = 0; i < topics.n && rc == 0; i++) {
                const struct kafka_topic_spec *spec = &topics.list[i];
                struct err e = ERR_INIT;
                enum topic_change change;
                int n = 0;
                if (kafka_topic_apply(p, spec, true, &change, &e) < 0)
                        rc = cli_fail_by_class(CODE_FAILED, &e);
                else if (change != TOPIC_CREATED &&
                         (n = kafka_partition_count(p, spec->name, 5000, &e)) < 0)
                        rc = cli_fail(CODE_UNREACHABLE, &e);
                if (rc)
                        break;
                json_array_append_new(
                        list, json_pack("{s:s, s:s, s:i, s:i, s:s}", "topic", spec->name, "lane",
                                        topics.lane[i], "partitions", n, "configured",
                                        spec->partitions, "state", state_text(change)));
                table_add(&t, spec->name);
                table_add(&t, topics.lane[i]);
                table_addf(&t, "%d", n);
                table_addf(&t, "%d", spec->partitions);
                table_add(&t, state_text(change));
        }
        if (rc == 0 && c->json)
                return print_json(list);
        json_decref(list);
        if (rc == 0)
                table_print(c, &t);
        return rc;
}

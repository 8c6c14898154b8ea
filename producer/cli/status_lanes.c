/* SPDX-License-Identifier: Apache-2.0 */
/* The lanes and the intake topics on the status page: what was taken, what waits, who serves. */
#include "status_lanes.h"
#include "rollcall_statements.h"

#include "kafka/kafka.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WATERMARK_TIMEOUT_MS = 3000, PARTITIONS_TIMEOUT_MS = 1000, NAMES_MAX = 256 * 1024 };

/* ---- from the database ---- */

static int read_unserved(struct cli *c, struct lanes *l)
{
        BUF_CLEANUP struct buf names = { .max = NAMES_MAX };
        for (int i = 0; i < SERVED_COUNT; i++)
                buf_addf(&names, "%s%s", i ? "," : "{", lane_name((enum lane)i));
        buf_adds(&names, "}");
        const char *param = buf_str(&names);
        return cli_query(c, sql_status_unserved_lanes, &param, 1, &l->unserved);
}

/* Names of services and topics are of letters, digits, '.', '_' and '-'. */
static int read_services(struct cli *c, struct lanes *l)
{
        BUF_CLEANUP struct buf services = { .max = NAMES_MAX };
        BUF_CLEANUP struct buf topics = { .max = NAMES_MAX };
        const struct service *s = c->service;
        for (size_t i = 0; i < s->n_intakes; i++) {
                buf_addf(&services, "%s%s", i ? "," : "{", s->intakes[i].service);
                buf_addf(&topics, "%s%s", i ? "," : "{", s->intakes[i].topic);
        }
        buf_adds(&services, s->n_intakes ? "}" : "{}");
        buf_adds(&topics, s->n_intakes ? "}" : "{}");
        if (services.failed || topics.failed)
                return cli_oom();
        const char *params[] = { buf_str(&services), buf_str(&topics) };
        return cli_query(c, sql_status_intake, params, ARRAY_LEN(params), &l->services);
}

/* ---- from Kafka ---- */

/* Against the ends of the topic's partitions. A consumer would join a group, and leaving it takes
 * seconds: not for this. */
static int read_topic(struct cli *c, struct kafka_producer *p, const char *cluster,
                      const char *topic, struct topic_state *ret)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct err e = ERR_INIT;
        const char *params[] = { cluster, topic };
        int rc = cli_query(c, sql_status_positions, params, ARRAY_LEN(params), &r);
        if (rc)
                return rc;
        int n = kafka_partition_count(p, topic, PARTITIONS_TIMEOUT_MS, &e);
        *ret = (struct topic_state){ .exists = n >= 0, .since_seconds = -1 };
        if (n < 0 && strcmp(e.code, "UNKNOWN_TOPIC_OR_PART") != 0)
                return cli_fail(CODE_UNREACHABLE, &e);
        if (n <= 0)
                return 0;
        int64_t *low CLEANUP(cleanup_free) = calloc((size_t)n * 2, sizeof *low);
        if (!low)
                return cli_oom();
        int64_t *high = low + n;
        if (kafka_topic_watermarks(p, topic, n, low, high, WATERMARK_TIMEOUT_MS, &e) < 0)
                return cli_fail(CODE_UNREACHABLE, &e);
        for (int part = 0; part < n; part++) {
                int64_t next = -1;
                for (int row = 0; row < db_rows(r); row++)
                        if (db_int(r, row, 0) == part) {
                                next = db_int(r, row, 1);
                                if (ret->since_seconds < 0 ||
                                    db_int(r, row, 2) < ret->since_seconds)
                                        ret->since_seconds = db_int(r, row, 2);
                        }
                ret->taken += next > 0 ? next : 0;
                ret->waiting += high[part] - (next > low[part] ? next : low[part]);
        }
        return 0;
}

static const char *topic_of(const struct cli *c, size_t i)
{
        return i < LANE_COUNT ? c->service->topics[i] : c->service->topic_results;
}

static int read_topics(struct cli *c, struct lanes *l)
{
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        int rc = cli_kafka(c, &p);
        const char *cluster = rc ? NULL : kafka_producer_cluster(p, WATERMARK_TIMEOUT_MS);
        for (size_t i = 0; rc == 0 && i <= LANE_COUNT; i++)
                rc = read_topic(c, p, cluster, topic_of(c, i), &l->list[i]);
        for (size_t i = 0; rc == 0 && i < l->n_intakes; i++)
                rc = read_topic(c, p, cluster, c->service->intakes[i].topic, &l->intakes[i]);
        return rc;
}

int lanes_read(struct cli *c, struct lanes *ret)
{
        ret->n_intakes = c->service->n_intakes;
        ret->intakes = calloc(ret->n_intakes + 1, sizeof *ret->intakes);
        if (!ret->intakes)
                return cli_oom();
        int rc = read_unserved(c, ret);
        if (rc == 0)
                rc = read_services(c, ret);
        if (rc == 0)
                ret->rc = read_topics(c, ret);
        return rc;
}

void lanes_deinit(struct lanes *l)
{
        free(l->intakes);
        db_result_free(l->unserved);
        db_result_free(l->services);
}

/* ---- lanes without a worker ---- */

static int64_t waiting_in(const struct cli *c, const struct lanes *l, enum lane lane)
{
        if (lane != LANE_INTAKE)
                return packs_use_lane(c->packs, lane) ? l->list[lane].waiting : 0;
        int64_t sum = 0;
        for (size_t i = 0; i < l->n_intakes; i++)
                sum += l->intakes[i].waiting;
        return sum;
}

int64_t lanes_unserved(const struct cli *c, const struct lanes *l, enum lane lane)
{
        for (int i = 0; l->rc == 0 && i < db_rows(l->unserved); i++)
                if (strcmp(db_str(l->unserved, i, 0), lane_name(lane)) == 0)
                        return waiting_in(c, l, lane);
        return 0;
}

/* ---- what is shown ---- */

static const char *label_of(size_t i)
{
        return i < LANE_COUNT ? lane_name((enum lane)i) : "results";
}

static void add_moved(struct table *t, const struct topic_state *s)
{
        if (!s->exists)
                table_add(t, "missing");
        else if (s->since_seconds < 0)
                table_add(t, "never");
        else
                table_addf(t, "%" PRId64 " s ago", s->since_seconds);
}

void lanes_print(const struct cli *c, const struct lanes *l)
{
        static const char *const heads[] = {
                "LANE", "TOPIC", "TAKEN", "WAITING", "LAST MOVED", NULL
        };
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        for (size_t i = 0; i <= LANE_COUNT; i++) {
                table_add(&t, label_of(i));
                table_add(&t, topic_of(c, i));
                table_addf(&t, "%" PRId64, l->list[i].taken);
                table_addf(&t, "%" PRId64, l->list[i].waiting);
                add_moved(&t, &l->list[i]);
        }
        putchar('\n');
        print_title(c, "Lanes");
        table_print(c, &t);
}

static json_t *moved_json(const struct topic_state *s)
{
        return s->since_seconds < 0 ? json_null() : json_integer(s->since_seconds);
}

json_t *lanes_json(const struct cli *c, const struct lanes *l)
{
        json_t *list = json_array();
        for (size_t i = 0; i <= LANE_COUNT; i++)
                json_array_append_new(
                        list, json_pack("{s:s, s:s, s:b, s:I, s:I, s:o}", "lane", label_of(i),
                                        "topic", topic_of(c, i), "exists", l->list[i].exists,
                                        "taken", (json_int_t)l->list[i].taken, "waiting",
                                        (json_int_t)l->list[i].waiting, "moved_seconds_ago",
                                        moved_json(&l->list[i])));
        return list;
}

enum { /* columns of status_intake.sql */
       SERVICE_OPEN = 1,
       SERVICE_REFUSED = 2
};

void lanes_print_intakes(const struct cli *c, const struct lanes *l)
{
        static const char *const heads[] = { "SERVICE",    "TOPIC",      "TAKEN",
                                             "WAITING",    "OPEN TASKS", "REFUSED IN 24 H",
                                             "LAST MOVED", NULL };
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        for (size_t i = 0; i < l->n_intakes; i++) {
                bool known = l->rc == 0;
                table_add(&t, c->service->intakes[i].service);
                table_add(&t, c->service->intakes[i].topic);
                table_addf(&t, known ? "%" PRId64 : "?", l->intakes[i].taken);
                table_addf(&t, known ? "%" PRId64 : "?", l->intakes[i].waiting);
                table_add(&t, db_str(l->services, (int)i, SERVICE_OPEN));
                table_add(&t, db_str(l->services, (int)i, SERVICE_REFUSED));
                if (known)
                        add_moved(&t, &l->intakes[i]);
                else
                        table_add(&t, "?");
        }
        if (l->n_intakes == 0)
                return;
        putchar('\n');
        print_title(c, "Intake");
        table_print(c, &t);
}

json_t *lanes_json_intakes(const struct cli *c, const struct lanes *l)
{
        json_t *list = json_array();
        for (size_t i = 0; i < l->n_intakes; i++) {
                json_t *o = json_row(l->services, (int)i); /* service, open, refused … */
                json_object_set_new(o, "topic", json_string(c->service->intakes[i].topic));
                if (l->rc == 0) {
                        const struct topic_state *s = &l->intakes[i];
                        json_object_set_new(o, "exists", json_boolean(s->exists));
                        json_object_set_new(o, "taken", json_integer(s->taken));
                        json_object_set_new(o, "waiting", json_integer(s->waiting));
                        json_object_set_new(o, "moved_seconds_ago", moved_json(s));
                }
                json_array_append_new(list, o);
        }
        return list;
}

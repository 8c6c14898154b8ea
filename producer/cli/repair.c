/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall topics repair`: positions whose offset is not in the topic any more are listed, and
 * repaired. */
#include "output.h"
#include "commands.h"
#include "rollcall_statements.h"

#include "kafka/kafka.h"
#include "position/position.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
        ASK_TIMEOUT_MS = 5000,
        COMPARE_TIMEOUT_MS = 15000,
        POLL_MS = 200,
        POLL_MAX = 100,
        NAMES_MAX = 256 * 1024
};

struct checked_position {
        struct position at;
        struct position_gap g; /* what the check has found */
};

struct repair {
        struct cli *c;
        const char *topics[LANE_COUNT + INTAKES_MAX + 1];
        size_t n_topics;
        struct db_result *rows;
        struct checked_position *list;
        size_t n;
};

static void repair_deinit(struct repair *r)
{
        free(r->list);
        db_result_free(r->rows);
}

static const char *check_name(enum offset_check check)
{
        static const char *const names[] = { [OFFSET_VALID] = "ok",
                                             [OFFSET_BELOW_START] = "deleted",
                                             [OFFSET_PAST_END] = "too short",
                                             [OFFSET_REPLACED] = "re-created" };
        return names[check];
}

static int read_positions(struct repair *r, const char *cluster)
{
        BUF_CLEANUP struct buf topics = { .max = NAMES_MAX };
        for (size_t i = 0; i < r->n_topics; i++)
                /* names of letters, digits, '.', '_' and '-' */
                buf_addf(&topics, "%s%s", i ? "," : "", r->topics[i]);
        const char *params[] = { cluster, buf_str(&topics) };
        int rc = cli_query(r->c, sql_repair_positions, params, ARRAY_LEN(params), &r->rows);
        if (rc)
                return rc;
        r->n = (size_t)db_rows(r->rows);
        r->list = calloc(r->n + 1, sizeof *r->list);
        if (!r->list)
                return cli_oom();
        for (size_t i = 0; i < r->n; i++) {
                int row = (int)i;
                r->list[i] = (struct checked_position){
                        .at = { .source_no = (int)db_int(r->rows, row, 0),
                                .topic = db_str(r->rows, row, 1),
                                .partition = (int32_t)db_int(r->rows, row, 2),
                                .epoch = db_int(r->rows, row, 3),
                                .next = db_int(r->rows, row, 4),
                                .digest = db_int(r->rows, row, 5),
                                .verify = -1 }
                };
        }
        return 0;
}

/* By the offsets. A partition that is not there any more is an empty log. */
static int compare_offsets(struct repair *r, struct kafka_producer *p, struct kafka_consumer *k)
{
        struct err e = ERR_INIT;
        int count = 0;
        for (size_t i = 0; i < r->n; i++) {
                struct checked_position *x = &r->list[i];
                const struct position *at = &x->at;
                if (i == 0 || strcmp(at->topic, r->list[i - 1].at.topic) != 0)
                        count = kafka_partition_count(p, at->topic, ASK_TIMEOUT_MS, &e);
                if (count < 0 || (at->partition < count &&
                                  position_check(&x->at, k, ASK_TIMEOUT_MS, &x->g, &e) < 0))
                        return cli_fail(CODE_UNREACHABLE, &e);
                if (at->partition >= count)
                        x->g = (struct position_gap){
                                offset_check(at->next, 0, 0),
                                at->topic,
                                at->partition,
                                at->source_no,
                                at->epoch,
                                at->next,
                                0,
                                0,
                        };
        }
        return 0;
}

static struct checked_position *position_of(struct repair *r, const char *topic, int32_t partition)
{
        for (size_t i = 0; i < r->n; i++)
                if (r->list[i].at.partition == partition && strcmp(r->list[i].at.topic, topic) == 0)
                        return &r->list[i];
        return NULL;
}

static int assigned(void *ctx, struct kafka_partition *list, size_t n, struct err *e)
{
        (void)e;
        for (size_t i = 0; i < n; i++) {
                const struct checked_position *x = position_of(ctx, list[i].topic,
                                                               list[i].partition);
                list[i].offset = !x ? 0 : x->at.verify >= 0 ? x->at.verify : x->g.high;
        }
        return 0;
}

static void revoked(void *ctx, const struct kafka_partition *list, size_t n, bool lost)
{
        (void)ctx;
        (void)list;
        (void)n;
        (void)lost;
}

static size_t left(const struct repair *r)
{
        size_t n = 0;
        for (size_t i = 0; i < r->n; i++)
                n += r->list[i].at.verify >= 0;
        return n;
}

/* By the messages before the positions. */
static int compare_messages(struct repair *r, struct kafka_consumer *k)
{
        struct kafka_message list[POLL_MAX];
        struct err e = ERR_INIT;
        for (int64_t until = monotonic_ms() + COMPARE_TIMEOUT_MS; left(r);) {
                int n = kafka_poll(k, POLL_MS, list, POLL_MAX, &e);
                if (n < 0 && e.class != ERR_RETRY)
                        return cli_fail(CODE_UNREACHABLE, &e);
                for (int i = 0; i < n; i++) {
                        struct checked_position *x = position_of(r, list[i].topic,
                                                                 list[i].partition);
                        if (x && x->at.verify >= 0 && !position_verify(&x->at, &list[i]))
                                x->g.check = OFFSET_REPLACED;
                }
                kafka_release(list, n > 0 ? (size_t)n : 0);
                if (left(r) && monotonic_ms() > until)
                        return cli_error(
                                CODE_UNREACHABLE,
                                "Kafka: the last messages taken of %zu partitions did not come "
                                "within %d s",
                                left(r), COMPARE_TIMEOUT_MS / 1000);
        }
        return 0;
}

static int find_invalid(struct repair *r)
{
        struct kafka_consumer *k CLEANUP(kafka_consumer_cleanup) = NULL;
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        const struct kafka_consumer_events events = { r, assigned, revoked };
        int rc = cli_kafka(r->c, &p);
        const struct service *s = r->c->service;
        for (size_t i = 0; rc == 0 && i <= s->n_sources; i++)
                r->topics[r->n_topics++] = i < s->n_sources ? s->sources[i] : s->topic_results;
        if (rc == 0)
                rc = read_positions(r, kafka_producer_cluster(p, ASK_TIMEOUT_MS));
        if (rc == 0)
                rc = cli_consumer(r->c, r->topics, r->n_topics, &events, &k);
        if (rc == 0)
                rc = compare_offsets(r, p, k);
        return rc ? rc : compare_messages(r, k);
}

/* ---- messages ---- */

static size_t count_invalid(const struct repair *r)
{
        size_t n = 0;
        for (size_t i = 0; i < r->n; i++)
                n += r->list[i].g.check != OFFSET_VALID;
        return n;
}

static void print_invalid(const struct repair *r, const struct db_result *open)
{
        bool lanes = false;
        for (size_t i = 0; i < r->n; i++) {
                const struct position_gap *g = &r->list[i].g;
                char what[512];
                if (g->check == OFFSET_VALID)
                        continue;
                position_gap_text(g, what, sizeof what);
                printf("%s\n", what);
                if (strcmp(g->topic, r->c->service->topic_results) == 0) {
                        printf("  its totals are backfilled from the ledger\n");
                        continue;
                }
                lanes = true;
                if (g->check == OFFSET_BELOW_START)
                        printf("  offsets %" PRId64 " to %" PRId64 " (%" PRId64
                               " messages) cannot be read any more\n",
                               g->next, g->low - 1, g->low - g->next);
                else
                        printf("  the topic is read from its first offset; what waited in the old "
                               "one from offset %" PRId64 " on cannot be read any more\n",
                               g->next);
        }
        if (lanes)
                printf("Of %s open runs %s tasks have no outcome: these are published again. "
                       "Ad-hoc tasks that nobody had taken cannot be found:\n"
                       "who submitted them sees no outcome, and submits them again with the same "
                       "id.\n",
                       db_str(open, 0, 0), db_str(open, 0, 1));
}

static json_t *repair_json(const struct repair *r, const struct db_result *open, bool repaired)
{
        json_t *list = json_array();
        for (size_t i = 0; i < r->n; i++) {
                const struct position_gap *g = &r->list[i].g;
                json_array_append_new(
                        list, json_pack("{s:s, s:i, s:I, s:I, s:I, s:s}", "topic", g->topic,
                                        "partition", (int)g->partition, "position",
                                        (json_int_t)g->next, "begins", (json_int_t)g->low, "ends",
                                        (json_int_t)g->high, "state", check_name(g->check)));
        }
        return json_pack("{s:o, s:I, s:I, s:b}", "positions", list, "open_runs",
                         (json_int_t)db_int(open, 0, 0), "without_outcome",
                         (json_int_t)db_int(open, 0, 1), "repaired", repaired);
}

/* ---- what is done ---- */

static int apply_repairs(struct repair *r)
{
        struct err e = ERR_INIT;
        if (db_exec(r->c->db, "begin", &e) < 0)
                return cli_db_fail(&e);
        for (size_t i = 0; i < r->n; i++) {
                if (r->list[i].g.check == OFFSET_VALID)
                        continue;
                int rc = position_request_repair(r->c->db, &r->list[i].g, r->c->actor_given, &e);
                if (rc < 0)
                        return cli_db_fail(&e);
                if (rc > 0)
                        return cli_error(
                                CODE_FAILED,
                                "%s/%d was assigned to another worker just now: nothing was done; "
                                "run the command once more",
                                r->list[i].g.topic, (int)r->list[i].g.partition);
        }
        return db_exec(r->c->db, "commit", &e) < 0 ? cli_db_fail(&e) : 0;
}

int verb_topics_repair(struct cli *c, const struct args *a)
{
        struct repair r CLEANUP(repair_deinit) = { .c = c };
        struct db_result *open CLEANUP(db_result_cleanup) = NULL;
        bool dry_run = args_on(a, "dry-run");
        int rc = cli_db(c);
        if (rc == 0)
                rc = find_invalid(&r);
        if (rc == 0)
                rc = cli_query(c, sql_repair_missing, NULL, 0, &open);
        if (rc)
                return rc;
        size_t n = count_invalid(&r);
        if (!c->json && n)
                print_invalid(&r, open);
        if (!c->json && !n)
                printf("%zu positions, each is in its topic\n", r.n);
        if (n && !dry_run) {
                if (!args_on(a, "yes") && (rc = cli_confirm("Repair these partitions?")))
                        return rc;
                if ((rc = apply_repairs(&r)))
                        return rc;
                if (!c->json)
                        printf("%zu positions were repaired\n", n);
        }
        if (c->json)
                rc = print_json(repair_json(&r, open, n && !dry_run));
        return rc ? rc : n && dry_run ? CODE_FAILED : CODE_OK;
}

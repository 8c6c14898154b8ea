/* SPDX-License-Identifier: Apache-2.0 */
/* Audit events as they stand on the results topic. Reads in a group of its own and commits nothing.
 */
#include "output.h"
#include "run_ref.h"
#include "commands.h"
#include "rollcall_statements.h"

#include "codec/codec.h"
#include "kafka/kafka.h"

#include <stdlib.h>
#include <string.h>

enum {
        BATCH = 500,
        ARENA_MAX = 16 * 1024 * 1024,
        POLL_MS = 200,
        PARTITIONS_MAX = 10000,
        WATERMARK_TIMEOUT_MS = 5000,
        JOIN_TIMEOUT_MS = 30000
};

struct tail {
        struct cli *cli;
        struct kafka_consumer *consumer;
        struct codec *codec;
        struct arena *arena;
        bool from_end, follow;
        instant since; /* INSTANT_NONE: any */
        bool one_run;
        struct uuid run;
        int64_t left; /* events still to print */
        /* per partition: where reading is, and where it ends without --follow */
        struct part {
                int32_t partition;
                int64_t next, end;
        } *parts;
        size_t n_parts;
        bool assigned;
};

static int assigned(void *ctx, struct kafka_partition *list, size_t n, struct err *e)
{
        struct tail *t = ctx;
        struct part *parts = calloc(n + 1, sizeof *parts);
        if (!parts)
                return err_oom(e);
        for (size_t i = 0; i < n; i++) {
                int64_t low, high;
                if (kafka_watermarks(t->consumer, list[i].topic, list[i].partition, &low, &high,
                                     WATERMARK_TIMEOUT_MS, e) < 0) {
                        free(parts);
                        return -1;
                }
                list[i].offset = t->from_end ? high : low;
                for (size_t k = 0; k < t->n_parts; k++)
                        /* ours before: continue there */
                        if (t->parts[k].partition == list[i].partition)
                                list[i].offset = t->parts[k].next;
                parts[i] = (struct part){ list[i].partition, list[i].offset, high };
        }
        free(t->parts);
        t->parts = parts;
        t->n_parts = n;
        t->assigned = true;
        return 0;
}

static bool at_end(const struct tail *t)
{
        if (!t->assigned)
                return false;
        for (size_t i = 0; i < t->n_parts; i++)
                if (t->parts[i].next < t->parts[i].end)
                        return false;
        return true;
}

static json_t *id_json(struct uuid u)
{
        char text[UUID_TEXT_LEN + 1];
        if (uuid_is_nil(u))
                return json_null();
        uuid_to_text(u, text);
        return json_string(text);
}

static json_t *event_json(const struct outcome_event *o)
{
        json_t *j = json_object();
        json_object_set_new(j, "at", json_instant(o->at));
        json_object_set_new(j, "event_id", id_json(o->event_id));
        json_object_set_new(j, "task_id", id_json(o->task_id));
        json_object_set_new(j, "run_id", id_json(o->run_id));
        json_object_set_new(j, "pack", json_span(o->pack));
        json_object_set_new(j, "job", json_span(o->job));
        json_object_set_new(j, "type", json_span(o->type));
        json_object_set_new(j, "subject", json_span(o->subject));
        json_object_set_new(j, "item", json_span(o->item));
        json_object_set_new(j, "outcome", json_string(outcome_name(o->outcome)));
        json_object_set_new(j, "reason", json_span(o->reason));
        json_object_set_new(j, "before", json_span(o->before));
        json_object_set_new(j, "after", json_span(o->after));
        json_object_set_new(j, "dry_run", json_boolean(o->dry_run));
        json_object_set_new(j, "actor", json_span(o->actor));
        json_object_set_new(j, "attempt", json_integer(o->attempt));
        json_object_set_new(j, "source_topic", json_span(o->source_topic));
        json_object_set_new(j, "source_partition", json_integer(o->source_partition));
        json_object_set_new(j, "source_offset", json_integer(o->source_offset));
        json_object_set_new(j, "sequence", json_integer(o->sequence));
        json_object_set_new(j, "replaces", json_span(o->replaces));
        return j;
}

static int print_event(struct tail *t, const struct kafka_message *m)
{
        struct err e = ERR_INIT;
        struct outcome_event o;
        for (size_t i = 0; i < t->n_parts; i++)
                if (t->parts[i].partition == m->partition)
                        t->parts[i].next = m->offset + 1;
        arena_reset(t->arena);
        if (m->unreadable) {
                cli_note("%s [%d] offset %lld: %s", m->topic, (int)m->partition,
                         (long long)m->first, m->unreadable);
                return 0;
        }
        if (outcome_decode(t->codec, m->value, t->arena, &o, &e) < 0) {
                cli_note("%s [%d] offset %lld: %s", m->topic, (int)m->partition,
                         (long long)m->offset, e.text);
                return 0;
        }
        if ((t->since != INSTANT_NONE && o.at < t->since) ||
            (t->one_run && !uuid_eq(o.run_id, t->run)))
                return 0;
        t->left--;
        return print_json_line(event_json(&o));
}

/* Every message before `end` may be gone (retention, or gaps that transactions leave): an idle poll
 * at the end is the end, too. */
static int read_events(struct tail *t)
{
        struct kafka_message *list CLEANUP(cleanup_free) = calloc(BATCH, sizeof *list);
        int64_t started = monotonic_ms();
        int rc = 0, idle = 0;
        if (!list)
                return cli_oom();
        while (rc == 0 && t->left > 0 && (t->follow || (!at_end(t) && idle < 25))) {
                struct err e = ERR_INIT;
                int n = kafka_poll(t->consumer, POLL_MS, list, BATCH, &e);
                if (n < 0 && (e.class != ERR_RETRY || !t->follow))
                        return cli_fail_by_class(CODE_FAILED, &e);
                if (!t->assigned && monotonic_ms() - started > JOIN_TIMEOUT_MS)
                        return cli_error(
                                CODE_UNREACHABLE,
                                "Kafka gave no partitions of %s within %d s: does the topic "
                                "exist? (rollcall topics list)",
                                t->cli->service->topic_results, JOIN_TIMEOUT_MS / 1000);
                idle = n == 0 && t->assigned ? idle + 1 : 0;
                for (int i = 0; i < n && rc == 0 && t->left > 0; i++)
                        rc = print_event(t, &list[i]);
                if (n > 0)
                        kafka_release(list, (size_t)n);
        }
        return rc;
}

static int read_from(const struct args *a, struct tail *t)
{
        const char *from = args_get(a, "from");
        t->since = INSTANT_NONE;
        t->follow = args_on(a, "follow");
        t->from_end = from ? strcmp(from, "end") == 0 : t->follow;
        if (!from || t->from_end || strcmp(from, "beginning") == 0 ||
            instant_parse(from, strlen(from), &t->since))
                return 0;
        return cli_error(CODE_USAGE,
                         "results tail: --from \"%s\": beginning, end or an instant such as "
                         "2026-11-21T06:00:00Z was expected",
                         from);
}

static int read_run(struct cli *c, const struct args *a, struct tail *t)
{
        const char *text = args_get(a, "run");
        struct run_ref r;
        if (!text)
                return 0;
        t->one_run = true;
        if (uuid_parse(text, strlen(text), &t->run))
                return 0;
        int rc = cli_db(c);
        if (rc == 0)
                rc = run_find(c, text, &r);
        return rc ? rc : uuid_parse(r.id, UUID_TEXT_LEN, &t->run) ? 0 : CODE_FAILED;
}

int verb_results_tail(struct cli *c, const struct args *a)
{
        struct err e = ERR_INIT;
        struct tail t = { .cli = c };
        struct codec *codec CLEANUP(codec_cleanup) = NULL;
        struct arena *arena CLEANUP(arena_cleanup) = arena_new(ARENA_MAX);
        int rc = read_from(a, &t);
        if (rc == 0)
                rc = args_number(a, "count", INT64_MAX, 1, INT64_MAX, &t.left);
        if (rc == 0)
                rc = cli_service(c);
        if (rc == 0)
                rc = read_run(c, a, &t);
        if (rc == 0 && (!arena || codec_new(c->service->schemas.folder, &codec, &e) < 0))
                rc = arena ? cli_fail(CODE_CONFIG, &e) : cli_oom();
        if (rc)
                return rc;
        t.codec = codec;
        t.arena = arena;
        const char *const topics[] = { c->service->topic_results };
        const struct kafka_consumer_events events = { .ctx = &t, .assigned = assigned };
        rc = cli_consumer(c, topics, 1, &events, &t.consumer);
        if (rc == 0)
                rc = read_events(&t);
        kafka_consumer_free(t.consumer);
        free(t.parts);
        return rc;
}

int verb_dead_letters_list(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "AT",    "TOPIC",  "PARTITION", "OFFSET",
                                             "BYTES", "REASON", NULL };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const char *limit = args_get(a, "limit") ? args_get(a, "limit") : "20";
        int64_t n;
        int rc = args_number(a, "limit", 20, 1, 1000000, &n);
        if (rc == 0)
                rc = cli_db(c);
        if (rc == 0)
                rc = cli_query(c, c->json ? sql_dead_letters_whole : sql_dead_letters, &limit, 1,
                               &r);
        if (rc)
                return rc;
        if (c->json)
                return print_json(json_rows(r));
        static const int columns[] = { 0, 1, 2, 3, 4, 5 };
        rows_print(c, heads, columns, r);
        return CODE_OK;
}

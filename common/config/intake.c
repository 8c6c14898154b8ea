/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's list `intake`: which services may request which task types, on which
 * topic, and how much. */
#include "config/cfg_words.h"
#include "config/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE_MAX = 1000000, OPEN_MAX = 10000000, SERVICE_NAME_MAX = 63, TOPIC_MAX = 249 };

static const char topic_letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

void service_intake_free(struct service_intake *list, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                free(list[i].types);
                free(list[i].topic);
        }
        free(list);
}

/* It becomes the actor of what the service requests, and part of a topic's name. */
static int read_name(const struct cfg_node *n, struct service_intake *x, struct err *e)
{
        if (cfg_str_required(n, "service", &x->service, e) < 0)
                return -1;
        size_t len = strlen(x->service);
        if (len == 0 || len > SERVICE_NAME_MAX ||
            strspn(x->service, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
                return cfg_unexpected(cfg_get(n, "service"), e,
                                      "1 to 63 lower-case letters, digits and dashes");
        return 0;
}

static int read_topic(const struct cfg_node *n, const char *prefix, struct service_intake *x,
                      struct err *e)
{
        const char *topic = NULL;
        if (cfg_str(n, "topic", NULL, &topic, e) < 0)
                return -1;
        if (asprintf(&x->topic, topic ? "%s" : "%s.intake.%s", topic ? topic : prefix, x->service) <
            0) {
                x->topic = NULL;
                return err_oom(e);
        }
        size_t len = strlen(x->topic);
        if (len == 0 || len > TOPIC_MAX || strspn(x->topic, topic_letters) != len)
                return cfg_unexpected(cfg_get(n, "topic"), e,
                                      "1 to 249 letters, digits, '.', '_' or '-'");
        return 0;
}

static int read_types(const struct cfg_node *n, struct service_intake *x, struct err *e)
{
        if (cfg_str_list(n, "types", &x->types, &x->n_types, e) < 0)
                return -1;
        if (x->n_types == 0)
                return cfg_error(n, e,
                                 "types is missing or empty, expected the task types that the "
                                 "service may request, such as [ \"equipemed.extend\" ]");
        return 0;
}

static int read_one(const struct cfg_node *n, const char *prefix, struct service_intake *x,
                    struct err *e)
{
        static const char *const known[] = { "service", "topic",    "types", "rate",
                                             "burst",   "open_max", NULL };
        if (!cfg_is_group(n))
                return cfg_unexpected(n, e, "a group { service = \"…\"; types = [ \"…\" ]; }");
        x->node = n;
        if (cfg_only(n, known, e) < 0 || read_name(n, x, e) < 0 ||
            read_topic(n, prefix, x, e) < 0 || read_types(n, x, e) < 0)
                return -1;
        if (cfg_int(n, "rate", 100, 1, RATE_MAX, &x->rate, e) < 0 ||
            cfg_int(n, "burst", x->rate, 1, RATE_MAX, &x->burst, e) < 0)
                return -1;
        return cfg_int(n, "open_max", 10000, 1, OPEN_MAX, &x->open_max, e);
}

/* One topic says who writes to it: no two services share one, and none of ours is one. */
static int check_apart(const struct service_intake *list, size_t n, const char *const *taken,
                       struct err *e)
{
        const struct service_intake *x = &list[n];
        for (size_t i = 0; i < n; i++) {
                if (strcmp(list[i].service, x->service) == 0)
                        return cfg_unexpected(cfg_get(x->node, "service"), e,
                                              "a name that is not taken above");
                if (strcmp(list[i].topic, x->topic) == 0)
                        return cfg_error(
                                x->node, e,
                                "found the topic \"%s\" of service %s, expected a topic of its own",
                                x->topic, list[i].service);
        }
        for (; *taken; taken++)
                /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): each has a topic. */
                if (strcmp(*taken, x->topic) == 0)
                        return cfg_error(x->node, e,
                                         "found \"%s\", a topic of Rollcall's own, expected one "
                                         "that only this service writes to",
                                         x->topic);
        return 0;
}

static int read_list(struct service *s, const struct cfg_node *list, struct err *e)
{
        const char *taken[LANE_COUNT + 3] = {
                s->topics[0], s->topics[1],     s->topics[2],
                s->topics[3], s->topic_results, s->topic_dead_letters
        };
        if (list && !cfg_is_list(list))
                return cfg_unexpected(
                        list, e, "a list of groups ( { service = \"…\"; types = [ \"…\" ]; } )");
        size_t count = (size_t)cfg_count(list);
        if (count > INTAKES_MAX)
                return cfg_error(list, e, "found %zu services, expected at most %d", count,
                                 INTAKES_MAX);
        s->intakes = calloc(count + 1, sizeof *s->intakes);
        if (!s->intakes)
                return err_oom(e);
        for (size_t i = 0; i < count; i++) {
                s->n_intakes++; /* before the reading, so that a half read one is freed too */
                if (read_one(cfg_at(list, (int)i), s->kafka.prefix, &s->intakes[i], e) < 0 ||
                    check_apart(s->intakes, i, taken, e) < 0)
                        return -1;
        }
        return 0;
}

int service_intakes(struct service *s, struct err *e)
{
        const struct cfg_node *root = cfg_root(s->cfg), *lanes = cfg_get(root, "worker.lanes");
        if (read_list(s, cfg_get(root, "intake"), e) < 0)
                return -1;
        if (s->n_intakes == 0 && lanes && s->worker.lanes[LANE_INTAKE])
                return cfg_error(
                        lanes, e,
                        "found \"intake\", expected it only with a list of services at `intake`");
        s->worker.lanes[LANE_INTAKE] = s->worker.lanes[LANE_INTAKE] && s->n_intakes > 0;
        s->sources = calloc(LANE_COUNT + s->n_intakes, sizeof *s->sources);
        if (!s->sources)
                return err_oom(e);
        for (size_t i = 0; i < LANE_COUNT; i++)
                s->sources[s->n_sources++] = s->topics[i];
        for (size_t i = 0; i < s->n_intakes; i++)
                s->sources[s->n_sources++] = s->intakes[i].topic;
        return 0;
}

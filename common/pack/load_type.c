/* SPDX-License-Identifier: Apache-2.0 */
/* The task types of pack.cfg. */
#include "pack/load_type.h"

#include "pack/actions.h"
#include "pack/load_parameter.h"
#include "pack/statement.h"

#include <string.h>

static const char *const scopes[] = { "subject", "run", NULL };

/* The group of keys that belongs to the action has the action's name. */
static int load_action(struct loader *l, const struct cfg_node *n, struct task_type *t,
                       struct err *e)
{
        const struct cfg_node *group = cfg_get(n, t->ops->name);
        if (!t->ops->load)
                return 0;
        if (!group)
                return cfg_error(n, e,
                                 "%s is missing, expected a group { … } because action is \"%s\"",
                                 t->ops->name, t->ops->name);
        return t->ops->load(l, group, t, e);
}

static int check_keys(const struct cfg_node *n, const struct task_type *t, struct err *e)
{
        const char *known[16] = { "name", "help",        "action",   "scope",
                                  "lane", "destructive", "requires", "requires_role" };
        size_t count = 8;
        if (t->scope == SCOPE_SUBJECT)
                known[count++] = "due";
        if (t->ops->by_statement) {
                known[count++] = "statement";
                known[count++] = "arguments";
                known[count++] = "follow_ups";
        }
        if (t->ops->records)
                known[count++] = "record";
        if (t->ops->load)
                known[count++] = t->ops->name;
        /* a known key in the wrong place gets a better sentence than an unknown one */
        for (int i = 0; i < cfg_count(n); i++) {
                const char *key = cfg_key(cfg_at(n, i));
                if (strcmp(key, "due") == 0 && t->scope == SCOPE_RUN)
                        return cfg_error(
                                cfg_at(n, i), e,
                                "found with scope \"run\", expected only with scope \"subject\"");
                if (strcmp(key, "record") == 0 && !t->ops->records)
                        return cfg_error(cfg_at(n, i), e,
                                         "found with action \"%s\", expected only with \"email\"",
                                         t->ops->name);
        }
        return cfg_only(n, known, e);
}

static int load_type(struct loader *l, const struct cfg_node *n, struct task_type *t, struct err *e)
{
        const char *actions[ACTION_COUNT + 1], *lanes[LANE_COUNT + 1] = { NULL };
        int action, scope, lane;
        action_names(actions);
        for (int i = 0; i < LANE_COUNT; i++)
                lanes[i] = lane_name((enum lane)i);
        if (!cfg_is_group(n))
                return cfg_unexpected(n, e, "a group { name = \"…\"; action = \"…\"; … }");
        if (load_name(n, l->type_names, &t->name, e) < 0 ||
            cfg_choice(n, "action", actions, -1, &action, e) < 0)
                return -1;
        if (action < 0)
                return cfg_error(n, e,
                                 "action is missing, expected \"sql\", \"email\", \"webhook\", "
                                 "\"report\" or \"files\"");
        t->action = (enum action)action;
        t->ops = action_ops_of(t->action);
        t->pack = l->pack;
        if (cfg_choice(n, "scope", scopes, t->ops->by_statement ? SCOPE_SUBJECT : SCOPE_RUN, &scope,
                       e) < 0 ||
            cfg_choice(n, "lane", lanes, (int)t->ops->default_lane, &lane, e) < 0 ||
            cfg_str(n, "help", NULL, &t->help, e) < 0 || load_role(n, &t->requires_role, e) < 0)
                return -1;
        t->scope = (enum scope)scope;
        t->lane = (enum lane)lane;
        t->subject_type = t->scope == SCOPE_RUN ? VALUE_TEXT : l->pack->subject_type;
        if (t->scope == SCOPE_SUBJECT && !t->ops->by_statement)
                return cfg_unexpected(cfg_get(n, "scope"), e,
                                      "\"run\": reports and files belong to no subject");
        t->full_name = load_full_name(l, t->name);
        if (!t->full_name)
                return err_oom(e);
        if (check_keys(n, t, e) < 0 || load_file(l, n, "due", false, &t->due, e) < 0 ||
            load_file(l, n, "requires", false, &t->precondition, e) < 0 ||
            load_file(l, n, "statement", t->ops->by_statement, &t->statement, e) < 0 ||
            load_file(l, n, "record", false, &t->record, e) < 0 ||
            load_parameters(l, n, "arguments", PARAMETER_ARGUMENT, &t->arguments, &t->n_arguments,
                            e) < 0 ||
            load_action(l, n, t, e) < 0)
                return -1;
        load_version(t, t->statement.text);
        load_version(t, t->record.text);
        load_version(t, t->precondition.text);
        t->by_actor = sql_names(&t->statement, "actor") || sql_names(&t->precondition, "actor") ||
                      sql_names(&t->record, "actor");
        return cfg_bool(n, "destructive", t->action == ACTION_FILES && t->files.delete,
                        &t->destructive, e);
}

int load_types(struct loader *l, struct err *e)
{
        const struct cfg_node *list;
        struct pack *p = l->pack;
        if (load_list(l, "task_types", &list, e) < 0)
                return -1;
        p->types = load_array(l, cfg_count(list), sizeof *p->types);
        l->type_names = load_array(l, cfg_count(list), sizeof *l->type_names);
        if (!p->types || !l->type_names)
                return err_oom(e);
        for (int i = 0; i < cfg_count(list); i++) {
                p->n_types++; /* before the loading, so that a half loaded type is freed too */
                if (load_type(l, cfg_at(list, i), &p->types[i], e) < 0)
                        return -1;
                l->type_names[i] = p->types[i].name;
        }
        return 0;
}

void free_types(struct pack *p)
{
        for (size_t i = 0; i < p->n_types; i++)
                if (p->types[i].ops && p->types[i].ops->free)
                        p->types[i].ops->free(&p->types[i]);
}

/* ---- what refers to other parts of the pack ---- */

int load_type_of(const struct loader *l, const struct cfg_node *n, const char *name,
                 const struct task_type **ret, struct err *e)
{
        for (size_t i = 0; i < l->pack->n_types; i++)
                if (strcmp(l->pack->types[i].name, name) == 0) {
                        *ret = &l->pack->types[i];
                        return 0;
                }
        return load_unknown(n, "task type", name, l->type_names, e);
}

int check_no_arguments(const struct cfg_node *n, const struct task_type *t, struct err *e)
{
        for (size_t i = 0; i < t->n_arguments; i++)
                if (t->arguments[i].required)
                        return cfg_error(n, e,
                                         "found \"%s\", expected a task type without required "
                                         "arguments: nobody gives it \"%s\" here",
                                         t->name, t->arguments[i].name);
        return 0;
}

static int check_follow_ups(struct loader *l, const struct cfg_node *n, struct task_type *t,
                            struct err *e)
{
        const char **names CLEANUP(cleanup_free) = NULL;
        const struct cfg_node *list = cfg_get(n, "follow_ups");
        size_t count;
        if (cfg_str_list(n, "follow_ups", &names, &count, e) < 0)
                return -1;
        t->follow_ups = load_array(l, (int)count, sizeof *t->follow_ups);
        if (!t->follow_ups)
                return err_oom(e);
        for (size_t i = 0; i < count; i++) {
                const struct task_type *next = NULL;
                const struct cfg_node *at = cfg_at(list, (int)i);
                if (load_type_of(l, at, names[i], &next, e) < 0 ||
                    check_no_arguments(at, next, e) < 0)
                        return -1;
                if (next->scope != t->scope)
                        return cfg_error(at, e,
                                         "found \"%s\" of scope \"%s\", expected one of scope "
                                         "\"%s\" as this type has",
                                         next->name, scopes[next->scope], scopes[t->scope]);
                for (size_t k = 0; k < i; k++)
                        if (strcmp(t->follow_ups[k], next->full_name) == 0)
                                return cfg_error(
                                        at, e,
                                        "found \"%s\" a second time, expected each follow-up once",
                                        next->name);
                t->follow_ups[i] = next->full_name;
        }
        t->n_follow_ups = count;
        return 0;
}

static size_t type_index(const struct pack *p, const char *full_name)
{
        return (size_t)(pack_type(p, span_of(full_name)) - p->types);
}

/* Does the type lead to itself, over any number of follow-ups? `reached`, `list`: room for one of
 * each type. */
static bool leads_to_itself(const struct pack *p, size_t type, bool *reached, size_t *list)
{
        size_t n = 0;
        memset(reached, 0, p->n_types * sizeof *reached);
        list[n++] = type;
        for (size_t i = 0; i < n; i++)
                for (size_t f = 0; f < p->types[list[i]].n_follow_ups; f++) {
                        size_t next = type_index(p, p->types[list[i]].follow_ups[f]);
                        if (next == type)
                                return true;
                        if (!reached[next])
                                list[n++] = next;
                        reached[next] = true;
                }
        return false;
}

static int check_circles(struct loader *l, struct err *e)
{
        const struct pack *p = l->pack;
        bool *reached = load_array(l, (int)p->n_types, sizeof *reached);
        size_t *list = load_array(l, (int)p->n_types, sizeof *list);
        if (!reached || !list)
                return err_oom(e);
        for (size_t i = 0; i < p->n_types; i++)
                if (leads_to_itself(p, i, reached, list))
                        return cfg_error(cfg_get(cfg_at(cfg_get(l->root, "task_types"), (int)i),
                                                 "follow_ups"),
                                         e,
                                         "found a circle: \"%s\" leads to itself, expected "
                                         "follow-ups that come to an end",
                                         p->types[i].name);
        return 0;
}

int check_types(struct loader *l, struct err *e)
{
        const struct cfg_node *list = cfg_get(l->root, "task_types");
        for (size_t i = 0; i < l->pack->n_types; i++) {
                struct task_type *t = &l->pack->types[i];
                const struct cfg_node *n = cfg_at(list, (int)i);
                if (check_follow_ups(l, n, t, e) < 0)
                        return -1;
                if (t->ops->check && t->ops->check(l, n, t, e) < 0)
                        return -1;
        }
        return check_circles(l, e);
}

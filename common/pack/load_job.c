/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs of pack.cfg, and what the service's configuration changes in them. */
#include "pack/load_job.h"

#include "pack/load_parameter.h"
#include "pack/load_type.h"

#include <stdlib.h>
#include <string.h>

static const char *const policies[] = { "forbid", "allow", "replace", NULL };
static const char *const catch_ups[] = { "latest", "none", "all", NULL };
static const char *const job_keys[] = { "name",
                                        "help",
                                        "schedule",
                                        "time_zone",
                                        "tasks",
                                        "settings",
                                        "suspend",
                                        "dry_run",
                                        "concurrency_policy",
                                        "catch_up",
                                        "starting_deadline",
                                        "time_limit",
                                        "min_interval",
                                        "jitter",
                                        "requires",
                                        "on_success",
                                        "on_failure",
                                        "on_finish",
                                        "destructive",
                                        "max_subjects",
                                        "max_percent",
                                        "population",
                                        "alert_on",
                                        "min_planned",
                                        NULL };

static int read_task(struct loader *l, const struct cfg_node *n, struct job_task *t, struct err *e)
{
        static const char *const known[] = { "type", "dry_run", NULL };
        const struct cfg_node *at = cfg_is_group(n) ? cfg_get(n, "type") : n;
        BUF_CLEANUP struct buf name = { .max = 4096 };
        if (cfg_is_group(n)) {
                const char *type;
                if (cfg_only(n, known, e) < 0 || cfg_str_required(n, "type", &type, e) < 0 ||
                    cfg_bool(n, "dry_run", false, &t->dry_run, e) < 0)
                        return -1;
        } else if (!cfg_is_text(n)) {
                return cfg_unexpected(
                        n, e,
                        "the name of a task type, or a group { type = \"…\"; dry_run = true; }");
        }
        if (cfg_scalar_text(at, &name, e) < 0 ||
            load_type_of(l, at, buf_str(&name), &t->type, e) < 0 ||
            check_no_arguments(at, t->type, e) < 0)
                return -1;
        if (t->type->scope == SCOPE_SUBJECT && !t->type->due.text)
                return cfg_error(at, e,
                                 "found \"%s\" without a due statement, expected a type that can "
                                 "say who is due, or one of scope \"run\"",
                                 t->type->name);
        return 0;
}

static int read_tasks(struct loader *l, const struct cfg_node *n, struct job *j, struct err *e)
{
        const struct cfg_node *list = cfg_get(n, "tasks");
        int count = cfg_count(list);
        if (!list)
                return 0;
        if (!cfg_is_list(list) || count == 0)
                return cfg_unexpected(list, e, "a list with the names of task types");
        j->tasks = load_array(l, count, sizeof *j->tasks);
        if (!j->tasks)
                return err_oom(e);
        j->n_tasks = (size_t)count;
        for (int i = 0; i < count; i++) {
                if (read_task(l, cfg_at(list, i), &j->tasks[i], e) < 0)
                        return -1;
                for (int k = 0; k < i; k++)
                        if (j->tasks[k].type == j->tasks[i].type)
                                return cfg_error(
                                        cfg_at(list, i), e,
                                        "found \"%s\" a second time, expected each task type once",
                                        j->tasks[i].type->name);
        }
        return 0;
}

/* Run-scope task types that follow the run. */
static int read_after(struct loader *l, const struct cfg_node *n, const char *key,
                      const struct task_type ***ret, size_t *ret_n, struct err *e)
{
        const char **names CLEANUP(cleanup_free) = NULL;
        const struct cfg_node *list = cfg_get(n, key);
        size_t count;
        if (!list)
                return 0;
        if (cfg_str_list(n, key, &names, &count, e) < 0)
                return -1;
        const struct task_type **types = load_array(l, (int)count, sizeof(struct task_type *));
        if (!types)
                return err_oom(e);
        for (size_t i = 0; i < count; i++) {
                const struct cfg_node *at = cfg_at(list, (int)i);
                if (load_type_of(l, at, names[i], &types[i], e) < 0 ||
                    check_no_arguments(at, types[i], e) < 0)
                        return -1;
                if (types[i]->scope != SCOPE_RUN)
                        return cfg_error(
                                at, e,
                                "found \"%s\" of scope \"subject\", expected one of scope \"run\"",
                                names[i]);
        }
        *ret = types;
        *ret_n = count;
        return 0;
}

/* Adds to what the job has; a name that is there gets the new value. */
static int read_settings(struct loader *l, const struct cfg_node *n, struct job *j, struct err *e)
{
        const struct cfg_node *group = cfg_get(n, "settings");
        if (!group)
                return 0;
        if (!cfg_is_group(group))
                return cfg_unexpected(group, e, "a group { name = value; }");
        struct setting_value *list = load_array(l, (int)j->n_settings + cfg_count(group),
                                                sizeof *list);
        if (!list)
                return err_oom(e);
        if (j->n_settings > 0)
                memcpy(list, j->settings, j->n_settings * sizeof *list);
        for (int i = 0; i < cfg_count(group); i++) {
                const struct parameter *d;
                const char *value;
                if (load_setting(l, cfg_at(group, i), &d, &value, e) < 0)
                        return -1;
                size_t k = 0;
                while (k < j->n_settings && list[k].name != d->name)
                        k++;
                list[k] = (struct setting_value){ d->name, value };
                j->n_settings += k == j->n_settings;
        }
        j->settings = list;
        return 0;
}

static int read_schedule(struct loader *l, const struct cfg_node *n, struct job *j, struct err *e)
{
        const struct cfg_node *zone = cfg_get(n, "time_zone"), *schedule = cfg_get(n, "schedule");
        struct err bad = ERR_INIT;
        if (cfg_str(n, "schedule", j->schedule, &j->schedule, e) < 0 ||
            cfg_str(n, "time_zone", j->time_zone, &j->time_zone, e) < 0)
                return -1;
        if (schedule && cron_parse(j->schedule, &j->cron, &bad) < 0)
                return cfg_error(schedule, e, "%s", bad.text);
        if (!zone)
                return 0;
        struct zone *z;
        if (load_zone(zone, j->time_zone, &z, e) < 0)
                return -1;
        if (j->zone != l->pack->zone)
                zone_free(j->zone);
        j->zone = z;
        return 0;
}

/* A number of per cent, with or without a fraction. */
static int read_percent(const struct cfg_node *n, double *ret, struct err *e)
{
        const struct cfg_node *at = cfg_get(n, "max_percent");
        BUF_CLEANUP struct buf text = { .max = 100 };
        char *end;
        if (!at)
                return 0;
        if (cfg_is_text(at) || cfg_is_list(at) || cfg_is_group(at))
                return cfg_unexpected(at, e, "a number of per cent such as 5 or 0.5");
        if (cfg_scalar_text(at, &text, e) < 0)
                return -1;
        double value = strtod(buf_str(&text), &end);
        if (end == buf_str(&text) || *end || !((value >= 0 && value <= 100) || value == LIMIT_NONE))
                return cfg_unexpected(at, e, "a number from 0 to 100, or -1 for no limit");
        *ret = value;
        return 0;
}

static int read_alert_on(const struct cfg_node *n, struct job *j, struct err *e)
{
        static const struct {
                const char *name;
                enum alert_on value;
        } known[] = { { "errors", ALERT_ERRORS },
                      { "never", ALERT_NEVER },
                      { "failed", ALERT_FAILED } };
        const struct cfg_node *at = cfg_get(n, "alert_on");
        const char *text = NULL;
        char *end = NULL;
        if (!at)
                return 0;
        if (cfg_str(n, "alert_on", NULL, &text, e) < 0)
                return -1;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
                if (strcmp(text, known[i].name) == 0) {
                        j->alert_on = known[i].value;
                        return 0;
                }
        double percent = text[0] >= '0' && text[0] <= '9' ? strtod(text, &end) : -1;
        if (!end || strcmp(end, "%") != 0 || !(percent > 0 && percent <= 100))
                return cfg_unexpected(at, e,
                                      "\"errors\", \"failed\", \"never\", or per cent of the tasks "
                                      "such as \"5%\"");
        j->alert_on = ALERT_PERCENT;
        j->alert_percent = percent;
        return 0;
}

static int read_limits(struct loader *l, const struct cfg_node *n, struct job *j, struct err *e)
{
        if (cfg_bool(n, "destructive", j->destructive, &j->destructive, e) < 0 ||
            cfg_int(n, "max_subjects", j->max_subjects, LIMIT_NONE, INT64_MAX, &j->max_subjects,
                    e) < 0 ||
            cfg_int(n, "min_planned", j->min_planned, 0, INT64_MAX, &j->min_planned, e) < 0 ||
            read_alert_on(n, j, e) < 0 || read_percent(n, &j->max_percent, e) < 0)
                return -1;
        if (cfg_get(n, "population") && load_file(l, n, "population", true, &j->population, e) < 0)
                return -1;
        if (j->max_percent >= 0 && !j->population.text)
                return cfg_error(cfg_get(n, "max_percent") ? cfg_get(n, "max_percent") : n, e,
                                 "max_percent needs a population, expected population = "
                                 "\"sql/….sql\", which says how many there are");
        return 0;
}

/* Takes the keys of `n` over into `j`; what is absent stays. Read once from the pack and once from
 * the service's override. */
static int read_job(struct loader *l, const struct cfg_node *n, struct job *j, struct err *e)
{
        int policy, catch_up;
        if (cfg_only(n, job_keys, e) < 0 || cfg_str(n, "help", j->help, &j->help, e) < 0 ||
            read_schedule(l, n, j, e) < 0 || read_tasks(l, n, j, e) < 0 ||
            read_settings(l, n, j, e) < 0 ||
            cfg_bool(n, "suspend", j->suspend, &j->suspend, e) < 0 ||
            cfg_bool(n, "dry_run", j->dry_run, &j->dry_run, e) < 0 ||
            cfg_choice(n, "concurrency_policy", policies, (int)j->concurrency_policy, &policy, e) <
                    0 ||
            cfg_choice(n, "catch_up", catch_ups, (int)j->catch_up, &catch_up, e) < 0 ||
            cfg_duration(n, "starting_deadline", j->starting_deadline_ms, &j->starting_deadline_ms,
                         e) < 0 ||
            cfg_duration(n, "time_limit", j->time_limit_ms, &j->time_limit_ms, e) < 0 ||
            cfg_duration(n, "min_interval", j->min_interval_ms, &j->min_interval_ms, e) < 0 ||
            cfg_duration(n, "jitter", j->jitter_ms, &j->jitter_ms, e) < 0 ||
            (cfg_get(n, "requires") &&
             load_file(l, n, "requires", true, &j->precondition, e) < 0) ||
            read_limits(l, n, j, e) < 0 ||
            read_after(l, n, "on_success", &j->on_success, &j->n_on_success, e) < 0 ||
            read_after(l, n, "on_failure", &j->on_failure, &j->n_on_failure, e) < 0 ||
            read_after(l, n, "on_finish", &j->on_finish, &j->n_on_finish, e) < 0)
                return -1;
        j->concurrency_policy = (enum concurrency_policy)policy;
        j->catch_up = (enum catch_up)catch_up;
        return 0;
}

static int load_job(struct loader *l, const struct cfg_node *n, struct job *j, struct err *e)
{
        struct pack *p = l->pack;
        if (!cfg_is_group(n))
                return cfg_unexpected(n, e, "a group { name = \"…\"; tasks = [ \"…\" ]; … }");
        j->pack = p;
        j->max_subjects = LIMIT_NONE;
        j->max_percent = LIMIT_NONE;
        j->time_zone = p->time_zone;
        j->zone = p->zone;
        if (load_name(n, l->job_names, &j->name, e) < 0)
                return -1;
        j->full_name = load_full_name(l, j->name);
        if (!j->full_name)
                return err_oom(e);
        if (read_job(l, n, j, e) < 0)
                return -1;
        return j->tasks ? 0
                        : cfg_error(
                                  n, e,
                                  "tasks is missing, expected a list with the names of task types");
}

static int override_jobs(struct loader *l, struct err *e)
{
        const struct cfg_node *list = l->service->jobs;
        for (int i = 0; i < cfg_count(list); i++) {
                const char *name;
                size_t k = 0;
                if (cfg_str_required(cfg_at(list, i), "name", &name, e) < 0)
                        return -1;
                while (k < l->pack->n_jobs && strcmp(l->pack->jobs[k].name, name) != 0)
                        k++;
                if (k == l->pack->n_jobs)
                        return load_unknown(cfg_get(cfg_at(list, i), "name"), "job", name,
                                            l->job_names, e);
                if (read_job(l, cfg_at(list, i), &l->pack->jobs[k], e) < 0)
                        return -1;
        }
        return 0;
}

static void take_follow_up(struct job *j, const struct task_type *t)
{
        if (!job_takes(j, t))
                j->takes[j->n_takes++] = t;
        else if (!job_shares(j, span_of(t->full_name)))
                j->shared[j->n_shared++] = t;
}

/* A run of the job can consist of its tasks and of whatever follows from them. */
static int close_over_follow_ups(struct loader *l, struct job *j, struct err *e)
{
        const struct pack *p = l->pack;
        j->takes = load_array(l, (int)p->n_types, sizeof(struct task_type *));
        j->shared = load_array(l, (int)p->n_types, sizeof(struct task_type *));
        if (!j->takes || !j->shared)
                return err_oom(e);
        for (size_t i = 0; i < j->n_tasks; i++)
                if (!job_takes(j, j->tasks[i].type))
                        j->takes[j->n_takes++] = j->tasks[i].type;
        for (size_t i = 0; i < j->n_takes; i++) /* grows as it goes */
                for (size_t f = 0; f < j->takes[i]->n_follow_ups; f++)
                        take_follow_up(j, pack_type(p, span_of(j->takes[i]->follow_ups[f])));
        return 0;
}

int load_jobs(struct loader *l, struct err *e)
{
        const struct cfg_node *list;
        struct pack *p = l->pack;
        if (load_list(l, "jobs", &list, e) < 0)
                return -1;
        p->jobs = load_array(l, cfg_count(list), sizeof *p->jobs);
        l->job_names = load_array(l, cfg_count(list), sizeof *l->job_names);
        if (!p->jobs || !l->job_names)
                return err_oom(e);
        for (int i = 0; i < cfg_count(list); i++) {
                p->n_jobs++; /* before the loading, so that a half loaded job's zone is freed too */
                if (load_job(l, cfg_at(list, i), &p->jobs[i], e) < 0)
                        return -1;
                l->job_names[i] = p->jobs[i].name;
        }
        if (override_jobs(l, e) < 0)
                return -1;
        for (size_t i = 0; i < p->n_jobs; i++)
                if (close_over_follow_ups(l, &p->jobs[i], e) < 0)
                        return -1;
        return 0;
}

void free_jobs(struct pack *p)
{
        for (size_t i = 0; i < p->n_jobs; i++)
                if (p->jobs[i].zone != p->zone)
                        zone_free(p->jobs[i].zone);
}

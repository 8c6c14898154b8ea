/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall jobs run`: requests a run, after showing what a mistyped command would do. */
#include "extent.h"
#include "lookup.h"
#include "output.h"
#include "run_follow.h"
#include "run_print.h"
#include "commands.h"
#include "rollcall_statements.h"

#include "ledger/ledger.h"

#include <inttypes.h>
#include <string.h>

enum { MEMORY_MAX = 1024 * 1024 };

/* An instant farther from now than this is named in the question: the year may be mistyped. */
#define FAR (INT64_C(86400) * INSTANT_SECOND)

struct order { /* the run that the command line requests */
        struct cli *cli;
        const struct args *args;
        const struct job *job;
        struct arena *memory;
        struct run_request request;
        const struct setting_value *settings; /* all of them, as the run's statements see them */
        size_t n_settings;
        instant now; /* the database's clock */
};

/* --set NAME=VALUE, checked against the pack. */
static int read_settings(struct order *w)
{
        struct err e = ERR_INIT;
        size_t n = args_values(w->args, "set"), n_all;
        struct setting_value *list = arena_alloc(w->memory, (n + 1) * sizeof *list), *all;
        if (!list)
                return cli_oom();
        for (size_t i = 0; i < n; i++) {
                char *name CLEANUP(cleanup_free) = NULL;
                int rc = args_pair(w->args, "set", i, &name, &list[i].value);
                if (rc)
                        return rc;
                list[i].name = arena_strndup(w->memory, name, strlen(name));
                if (!list[i].name)
                        return cli_oom();
        }
        if (settings_resolve(w->job->pack, w->job, list, n, w->memory, &all, &n_all, &e) < 0)
                return cli_error(CODE_USAGE, "jobs run: --set: %s", e.text);
        w->request.settings = list;
        w->request.n_settings = n;
        w->settings = all;
        w->n_settings = n_all;
        return 0;
}

/* The run's instant: --at, else the database's clock. */
static int read_instant(struct order *w)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const char *at = args_get(w->args, "at");
        int rc = cli_query(w->cli, "select clock_timestamp()", NULL, 0, &r);
        if (rc)
                return rc;
        w->now = w->request.scheduled_at = db_instant(r, 0, 0);
        if (at && !instant_parse(at, strlen(at), &w->request.scheduled_at))
                return cli_error(CODE_USAGE,
                                 "jobs run: --at \"%s\": an instant such as "
                                 "2026-11-21T06:00:00-03:00 was expected",
                                 at);
        if (w->request.dry_run || w->request.scheduled_at <= w->now)
                return 0;
        char text[INSTANT_TEXT_MAX];
        format_instant(w->job->zone, w->now, text);
        return cli_error(CODE_REFUSED,
                         "jobs run: --at \"%s\" is in the future (the database's clock says %s); "
                         "only a dry run may look ahead: add --dry-run",
                         at, text);
}

/* How many people the run is about to process, shown and sent along: a plan that finds more is held
 * for review. */
static int show_extent(struct order *w)
{
        struct run_request *q = &w->request;
        struct extent x;
        struct run_values v = {
                .now = q->scheduled_at,
                .run_id = run_id_of(span_of(w->job->pack->name), span_of(w->job->name),
                                    q->scheduled_at),
                .actor = w->cli->actor,
                .pack = w->job->pack,
                .settings = w->settings,
                .n_settings = w->n_settings,
        };
        int rc = extent_count(w->cli, w->job, &v, w->memory, &x);
        if (rc)
                return rc;
        fprintf(stderr, "%s is destructive. Due now:\n", w->job->full_name);
        extent_print(&x);
        q->expect = x.expect;
        q->n_expect = x.n;
        return 0;
}

/* What is unusual about the run is shown, and has to be confirmed. */
static int confirm_run(struct order *w)
{
        const struct run_request *q = &w->request;
        char at[INSTANT_TEXT_MAX], question[400];
        bool distant = w->now - q->scheduled_at > FAR, destructive = job_destructive(w->job);
        if (q->dry_run || (!distant && !destructive))
                return 0;
        format_instant(w->job->zone, q->scheduled_at, at);
        if (distant)
                fprintf(stderr,
                        "The run's instant is %s, %" PRId64
                        " days before now: its statements decide as of then.\n",
                        at, (w->now - q->scheduled_at) / FAR);
        int rc = destructive ? show_extent(w) : 0;
        if (rc)
                return rc;
        snprintf(question, sizeof question, "Run %s%s%s?", w->job->full_name,
                 distant ? " as of " : "", distant ? at : "");
        return args_on(w->args, "yes") ? 0 : cli_confirm(question);
}

static int request_run_of(struct order *w, struct run_ref *ret, bool *ret_new)
{
        struct err e = ERR_INIT;
        struct uuid id;
        int rc = read_settings(w);
        if (rc == 0)
                rc = read_instant(w);
        if (rc == 0)
                rc = confirm_run(w);
        if (rc)
                return rc;
        int known = run_request(w->cli->db, &w->request, &id, &e);
        if (known < 0)
                return cli_db_fail(&e);
        uuid_to_text(id, ret->id);
        *ret_new = known == 0;
        return 0;
}

static int print_request(struct cli *c, const struct job *j, const struct run_ref *r, bool is_new)
{
        if (c->json)
                return print_json(json_pack("{s:s, s:s, s:b}", "run_id", r->id, "job", j->full_name,
                                            "new", is_new));
        printf("%s %s (follow it: rollcall runs watch %.8s)\n",
               is_new ? "requested run" : "that run exists already:", r->id, r->id);
        return CODE_OK;
}

/* A run of that job and instant exists. `ret`: it is another than the requested one, a dry run or
 * one with other settings, which is printed. */
static int check_existing(const struct order *w, const struct run_ref *r, bool *ret)
{
        struct db_result *res CLEANUP(db_result_cleanup) = NULL;
        BUF_CLEANUP struct buf settings = { .max = MEMORY_MAX };
        settings_to_json(w->request.settings, w->request.n_settings, &settings);
        const char *params[] = { r->id, w->request.dry_run ? "true" : "false", buf_str(&settings) };
        int rc = cli_query(w->cli, sql_run_differs, params, ARRAY_LEN(params), &res);
        if (rc || db_rows(res) == 0)
                return rc;
        *ret = db_bool(res, 0, 1) || db_bool(res, 0, 2);
        if (*ret)
                cli_note("the run of %s at that instant, %s, is %s: give another --at to request "
                         "this one",
                         w->job->full_name, r->id,
                         !db_bool(res, 0, 1)  ? "one with other settings"
                         : db_bool(res, 0, 0) ? "a dry run, which changes nothing"
                                              : "no dry run");
        return 0;
}

int verb_jobs_run(struct cli *c, const struct args *a)
{
        struct arena *memory CLEANUP(arena_cleanup) = arena_new(MEMORY_MAX);
        struct order w = { .cli = c, .args = a, .memory = memory };
        struct run_ref r;
        int64_t timeout;
        bool is_new = false, other = false;
        if (!memory)
                return cli_oom();
        int rc = args_duration(a, "timeout", -1, &timeout);
        if (rc == 0)
                rc = cli_actor(c);
        if (rc == 0)
                rc = job_find(c, args_operand(a, 0), &w.job);
        if (rc == 0)
                rc = cli_db(c);
        if (rc)
                return rc;
        w.request = (struct run_request){
                .job = w.job,
                .on_behalf_of = c->actor_given,
                .dry_run = w.job->dry_run || args_on(a, "dry-run"),
                .force = args_on(a, "force"),
        };
        rc = request_run_of(&w, &r, &is_new);
        if (rc == 0 && !is_new)
                rc = check_existing(&w, &r, &other);
        if (rc || !args_on(a, "wait"))
                return rc ? rc : print_request(c, w.job, &r, is_new);
        if (other)
                return CODE_REFUSED;
        if (!is_new)
                cli_note("a run of %s at that instant exists already: following it",
                         w.job->full_name);
        rc = run_find(c, r.id, &r);
        if (rc)
                return rc;
        int end = run_follow(c, &r, timeout);
        const struct run_show show = { .limit = 50 };
        rc = end == CODE_UNREACHABLE ? 0 : run_print(c, &r, &show);
        return rc ? rc : end;
}

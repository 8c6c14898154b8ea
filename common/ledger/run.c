/* SPDX-License-Identifier: Apache-2.0 */
/* Runs: loaded from their row, and requested by a slot or by an operator. */
#include "ledger/ledger.h"

#include "ledger_statements.h"

#include <stdlib.h>
#include <string.h>

enum { RUN_MEMORY_MAX = 1024 * 1024, PARAMS_MAX = 256 * 1024 };

void run_free(struct run *r)
{
        if (r)
                arena_free(r->memory); /* `r` itself lies in it */
}

static char *copy(struct arena *a, const struct db_result *r, const char *column)
{
        struct span s = db_span(r, 0, db_column(r, column));
        return arena_strndup(a, s.ptr ? s.ptr : "", s.len);
}

/* Those that were kept when it was planned; before that the job's or, for a run of one, the pack's,
 * with what this run was given. */
static int read_settings(struct run *r, const struct db_result *res, struct err *e)
{
        struct span kept = db_span(res, 0, db_column(res, "kept_settings")),
                    statements = db_span(res, 0, db_column(res, "statements"));
        struct setting_value *list = NULL;
        size_t n = 0;
        if (statements.ptr &&
            settings_from_json(statements, r->memory, &r->statements, &r->n_statements, e) < 0)
                return -1;
        if (kept.ptr)
                return settings_from_json_nulls(kept, r->memory, &list, &n, e) < 0 ? -1
                       : r->pack ? settings_kept(r->pack, list, n, r->memory, &r->settings,
                                                 &r->n_settings, e)
                                 : 0;
        if (settings_from_json(db_span(res, 0, db_column(res, "settings")), r->memory, &list, &n,
                               e) < 0)
                return -1;
        return r->pack ? settings_resolve(r->pack, r->job, list, n, r->memory, &r->settings,
                                          &r->n_settings, e)
                       : 0;
}

static int read_run(const struct db_result *res, const struct packs *p, struct run *r,
                    struct err *e)
{
        r->run_no = db_int(res, 0, db_column(res, "run_no"));
        r->run_id = db_uuid(res, 0, db_column(res, "run_id"));
        r->day = db_int(res, 0, db_column(res, "day"));
        r->scheduled_at = db_instant(res, 0, db_column(res, "scheduled_at"));
        r->dry_run = db_bool(res, 0, db_column(res, "dry_run"));
        r->force = db_bool(res, 0, db_column(res, "force"));
        r->planned_ms = db_null(res, 0, db_column(res, "planned_ms"))
                                ? -1
                                : db_int(res, 0, db_column(res, "planned_ms"));
        r->kept = db_bool(res, 0, db_column(res, "kept"));
        r->pack_name = copy(r->memory, res, "pack");
        r->job_name = copy(r->memory, res, "job");
        r->requested_by = copy(r->memory, res, "requested_by");
        r->cause = copy(r->memory, res, "cause");
        r->placed_types = copy(r->memory, res, "placed_types");
        if (!r->pack_name || !r->job_name || !r->requested_by || !r->cause || !r->placed_types)
                return err_oom(e);
        if (!run_state_parse(db_str(res, 0, db_column(res, "state")), &r->state))
                return err_set(e, ERR_FATAL, "", "run %s: unknown state \"%s\"", r->job_name,
                               db_str(res, 0, db_column(res, "state")));
        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->list[i]->name, r->pack_name) == 0)
                        r->pack = p->list[i];
        for (size_t i = 0; r->pack && i < r->pack->n_jobs; i++)
                if (strcmp(r->pack->jobs[i].name, r->job_name) == 0)
                        r->job = &r->pack->jobs[i];
        return read_settings(r, res, e);
}

bool run_has_places(const struct run *r, struct span type)
{
        for (const char *at = r->placed_types; *at;) {
                size_t n = strcspn(at, ",");
                if (span_eq((struct span){ at, n }, type))
                        return true;
                at += at[n] ? n + 1 : n;
        }
        return false;
}

int run_task_settings(const struct run *r, const struct pack *p, struct arena *a,
                      struct run_values *v, struct err *e)
{
        struct setting_value *settings = NULL;
        if (r) {
                v->settings = r->settings;
                v->n_settings = r->n_settings;
                return 0;
        }
        if (settings_resolve(p, NULL, NULL, 0, a, &settings, &v->n_settings, e) < 0)
                return -1;
        v->settings = settings;
        return 0;
}

int run_load(struct db *d, const struct packs *p, struct uuid run_id, struct run **ret,
             struct err *e)
{
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        struct db_result *res CLEANUP(db_result_cleanup) = NULL;
        if (!q)
                return err_oom(e);
        db_add_uuid(q, run_id);
        if (db_query(d, sql_run_load, q, &res, e) < 0)
                return -1;
        if (db_rows(res) == 0)
                return RUN_NOT_FOUND;
        struct arena *a = arena_new(RUN_MEMORY_MAX);
        struct run *r = a ? arena_alloc(a, sizeof *r) : NULL;
        if (!r) {
                arena_free(a);
                return err_oom(e);
        }
        r->memory = a;
        if (read_run(res, p, r, e) < 0) {
                run_free(r);
                return -1;
        }
        *ret = r;
        return RUN_FOUND;
}

/* The key of a run: its id, job and instant. */
static struct uuid add_key(struct db_params *p, const struct job *j, instant at)
{
        struct uuid id = run_id_of(span_of(j->pack->name), span_of(j->name), at);
        db_add_uuid(p, id);
        db_add_str(p, j->pack->name);
        db_add_str(p, j->name);
        db_add_instant(p, at);
        return id;
}

int run_request_slot(struct db *d, const struct slot_request *q, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!p)
                return err_oom(e);
        (void)add_key(p, q->job, q->scheduled_at);
        db_add_str(p, q->catch_up ? "catch_up" : "schedule");
        db_add_bool(p, q->job->dry_run);
        db_add_instant(p, q->not_before);
        return db_query(d, sql_run_request_slot, p, NULL, e);
}

int run_request(struct db *d, const struct run_request *q, struct uuid *ret_id, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        struct db_result *res CLEANUP(db_result_cleanup) = NULL;
        BUF_CLEANUP struct buf json, expect;
        buf_init(&json, PARAMS_MAX / 4);
        buf_init(&expect, PARAMS_MAX / 4);
        settings_to_json(q->settings, q->n_settings, &json);
        settings_to_json(q->expect, q->n_expect, &expect);
        if (!p || json.failed || expect.failed)
                return err_oom(e);
        struct uuid id = add_key(p, q->job, q->scheduled_at);
        db_add_text(p, (struct span){ buf_str(&json), json.len });
        db_add_bool(p, q->dry_run);
        db_add_bool(p, q->force);
        db_add_str(p, q->expect ? buf_str(&expect) : NULL);
        db_add_str(p, q->on_behalf_of);
        if (db_query(
                    d,
                    "select rollcall.request_run($1, $2, $3, $4, $5::jsonb, $6, $7, $8::jsonb, $9)",
                    p, &res, e) < 0)
                return -1;
        *ret_id = id;
        return db_bool(res, 0, 0) ? 0 : 1;
}

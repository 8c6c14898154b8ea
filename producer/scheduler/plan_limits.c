/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a plan exceeds the job's limits, or what the operator confirmed: then nothing of it is
 * published without a review. */
#include "plan_limits.h"

#include "decide.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what was confirmed ---- */

/* Nobody confirmed a destructive run, or it found more of a type than was confirmed. */
static int check_confirmed(struct planning *p, char *why, size_t max, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(p->params);
        db_add_int8(p->params, p->run->run_no);
        if (db_query(p->db, sql_beyond_confirmed, p->params, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 0;
        if (!db_bool(r, 0, 0)) {
                snprintf(why, max, "%s tasks of %s are due, %s were confirmed", db_str(r, 0, 2),
                         db_str(r, 0, 1), db_str(r, 0, 3));
                return 0;
        }
        if (p->o->manual && job_destructive(p->run->job))
                snprintf(why, max,
                         "the job is destructive, and nobody confirmed how many subjects are due");
        return 0;
}

/* ---- the job's limits ---- */

static int count_population(struct planning *p, const struct run_values *v, struct err *e)
{
        struct bound_sql b CLEANUP(bound_sql_deinit) = { 0 };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const struct sql_file *f = &p->run->job->population;
        db_params_reset(p->params);
        if (sql_bind(f, p->run->pack, NULL, 0, 1, &b, e) < 0 ||
            sql_add_values(&b, v, p->params, e) < 0)
                return -1;
        if (db_query(p->db, b.text, p->params, &r, e) < 0)
                return err_prefix(e, "%s", f->path);
        if (db_rows(r) != 1 || db_columns(r) != 1 || db_null(r, 0, 0))
                return err_set(e, ERR_INPUT, "", "%s: one row with one number was expected",
                               f->path);
        p->population = strtoll(db_str(r, 0, 0), NULL, 10);
        return 0;
}

/* Subjects that the plan's tasks change. Somebody with several tasks is one of them, which takes
 * time to find out: `distinct`. */
static int count_subjects(struct planning *p, bool distinct, int64_t *ret, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        char run_id[UUID_TEXT_LEN + 1];
        uuid_to_text(p->run->run_id, run_id); /* the subject of run-level tasks */
        db_params_reset(p->params);
        db_add_int8(p->params, p->run->run_no);
        db_add_str(p->params, run_id);
        if (db_query(p->db, distinct ? sql_count_distinct_subjects : sql_count_subjects, p->params,
                     &r, e) < 0)
                return -1;
        *ret = db_int(r, 0, 0);
        return 0;
}

static int check_limits(struct planning *p, const struct run_values *v, char *why, size_t max,
                        struct err *e)
{
        const struct job *j = p->run->job;
        struct extent x = { 0 };
        if (j->population.text && count_population(p, v, e) < 0)
                return -1;
        if (j->max_subjects < 0 && j->max_percent < 0)
                return 0;
        /* distinct subjects take longer to count, and are no more than the others */
        bool beyond = true;
        for (int distinct = 0; beyond && distinct < 2; distinct++) {
                if (count_subjects(p, distinct, &x.subjects, e) < 0)
                        return -1;
                x.population = p->population;
                beyond = decide_review(j, &x, why, max);
        }
        return 0;
}

int plan_review(struct planning *p, const struct run_values *v, char *why, size_t max,
                struct err *e)
{
        *why = '\0';
        if (p->run->dry_run)
                return 0;
        if (check_confirmed(p, why, max, e) < 0)
                return -1;
        return *why ? 0 : check_limits(p, v, why, max, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall tasks submit`: ad-hoc tasks, one or a CSV file of them. */
#include "submit_confirm.h"
#include "lookup.h"
#include "outcome.h"
#include "filing.h"
#include "output.h"
#include "submit_csv.h"
#include "commands.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --set name=value … as one value per argument of the type. `values[i]` points into argv. */
static int read_values(const struct args *a, const struct task_type *t, const char **values)
{
        for (size_t i = 0; i < args_values(a, "set"); i++) {
                char *name CLEANUP(cleanup_free) = NULL;
                const char *value;
                size_t k = 0;
                int rc = args_pair(a, "set", i, &name, &value);
                if (rc)
                        return rc;
                while (k < t->n_arguments && !flag_is(name, t->arguments[k].name) &&
                       strcmp(name, t->arguments[k].name) != 0)
                        k++;
                if (k == t->n_arguments)
                        return cli_error(CODE_USAGE,
                                         "tasks submit: --set: %s has no argument \"%s\"",
                                         t->full_name, name);
                values[k] = value;
        }
        return 0;
}

/* A task of scope "run" is about itself when no subject is given. */
static int read_request(const struct args *a, const struct task_type *t, const char **values,
                        char own[UUID_TEXT_LEN + 1], struct task_request *ret)
{
        const char *id = args_get(a, "id");
        *ret = (struct task_request){
                .type = t,
                .id = uuid_random(),
                .subject = args_get(a, "subject"),
                .item = args_get(a, "item") ? args_get(a, "item") : "",
                .values = values,
                .dry_run = args_on(a, "dry-run"),
        };
        if (id && (!uuid_parse(id, strlen(id), &ret->id) || uuid_is_nil(ret->id)))
                return cli_error(CODE_USAGE, "tasks submit: --id \"%s\": a UUID was expected", id);
        if (!ret->subject && t->scope != SCOPE_RUN)
                return cli_error(CODE_USAGE, "tasks submit: --subject or --csv is missing; see: "
                                             "rollcall tasks submit "
                                             "--help");
        if (id && ret->dry_run) /* the id itself stays free for the task that is meant */
                ret->id = uuid_v5(ret->id, "dry run", strlen("dry run"));
        uuid_to_text(ret->id, own);
        if (!ret->subject)
                ret->subject = own;
        return 0;
}

static int wait_for_outcome(struct cli *c, const struct task_request *q, int64_t timeout)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = outcome_wait(c, q, timeout, &r);
        if (rc == 0 && c->json)
                rc = print_json(json_row(r, 0));
        else if (rc == 0)
                outcome_print(c, q->subject, r);
        return rc ? rc : outcome_code(db_str(r, 0, db_column(r, "outcome")));
}

static void note_earlier(instant at)
{
        char text[INSTANT_TEXT_MAX];
        format_instant(NULL, at, text);
        cli_note("the same task was requested on %s already: it is not done twice (another --id "
                 "makes it another task)",
                 text);
}

static int submit_one(struct cli *c, const struct args *a, const struct task_request *q,
                      int64_t timeout)
{
        struct err e = ERR_INIT;
        char id[UUID_TEXT_LEN + 1], question[400];
        instant earlier;
        int rc = 0;
        if (task_request_check(q, &e) < 0)
                return cli_error(CODE_USAGE, "tasks submit: %s", e.text);
        snprintf(question, sizeof question, "Submit %s for %s?", q->type->full_name, q->subject);
        rc = submit_confirm(a, q->type, q->dry_run, question);
        if (rc)
                return rc;
        rc = filing_one(c, q, &earlier);
        if (rc)
                return rc;
        if (earlier != INSTANT_NONE)
                note_earlier(earlier);
        if (args_on(a, "wait"))
                return wait_for_outcome(c, q, timeout);
        if ((rc = cli_note_no_scheduler(c)))
                return rc;
        uuid_to_text(q->id, id);
        if (c->json)
                return print_json(json_pack("{s:s, s:s, s:s, s:b}", "task_id", id, "type",
                                            q->type->full_name, "subject", q->subject, "dry_run",
                                            q->dry_run));
        printf("submitted task %s: %s for ", id, q->type->full_name);
        print_clean(stdout, q->subject);
        putchar('\n');
        return CODE_OK;
}

int verb_tasks_submit(struct cli *c, const struct args *a)
{
        const struct task_type *t = NULL;
        int64_t timeout;
        char own[UUID_TEXT_LEN + 1];
        struct task_request q;
        int rc = args_duration(a, "timeout", 60000, &timeout);
        if (rc == 0)
                rc = type_find(c, args_get(a, "type"), &t);
        if (rc)
                return rc;
        const char **values CLEANUP(cleanup_free) = calloc(t->n_arguments + 1, sizeof *values);
        if (!values)
                return cli_oom();
        rc = read_values(a, t, values);
        task_request_for_others(c, t, values);
        if (rc == 0 && args_get(a, "csv")) {
                if (args_get(a, "subject") || args_get(a, "item") || args_get(a, "id"))
                        return cli_error(CODE_USAGE, "tasks submit: --csv brings subjects, items "
                                                     "and ids itself: leave "
                                                     "--subject, --item and --id out");
                return submit_csv(c, a, t, values, timeout);
        }
        if (rc == 0)
                rc = read_request(a, t, values, own, &q);
        return rc ? rc : submit_one(c, a, &q, timeout);
}

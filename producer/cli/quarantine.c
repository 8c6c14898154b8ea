/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall quarantine`: parked tasks, of rollcall.held. The tool files requests; the workers carry
 * them out. */
#include "output.h"
#include "commands.h"
#include "rollcall_statements.h"

#include "base/instant.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FILTERS = 6, ID_PREFIX_MIN = 4 };

static bool is_id(const char *text)
{
        size_t len = strlen(text);
        return len >= ID_PREFIX_MIN && len <= UUID_TEXT_LEN &&
               text[strspn(text, "0123456789abcdef-")] == '\0';
}

/* The operands as one text; the caller frees. */
static int read_ids(const struct args *a, char **ret)
{
        BUF_CLEANUP struct buf out;
        buf_init(&out, 16 * 1024 * 1024);
        for (size_t i = 0; i < args_count(a); i++) {
                if (!is_id(args_operand(a, i)))
                        return cli_error(
                                CODE_USAGE,
                                "\"%s\" is no task id, nor its first characters (at least %d); "
                                "see: rollcall quarantine list",
                                args_operand(a, i), ID_PREFIX_MIN);
                buf_addf(&out, "%s%s", i ? "," : "", args_operand(a, i));
        }
        *ret = args_count(a) ? strdup(buf_str(&out)) : NULL;
        return out.failed || (args_count(a) && !*ret) ? cli_oom() : 0;
}

static int read_filters(const struct args *a, const char *params[FILTERS])
{
        static const char *const flags[FILTERS] = { NULL,      "job",    "type",
                                                    "subject", "reason", "since" };
        instant since;
        for (int i = 1; i < FILTERS; i++)
                params[i] = args_get(a, flags[i]);
        if (params[5] && !instant_parse(params[5], strlen(params[5]), &since))
                return cli_error(
                        CODE_USAGE,
                        "--since \"%s\": an instant such as 2026-11-21T06:00:00-03:00 was expected",
                        params[5]);
        return 0;
}

/* ---- list and show ---- */

int verb_quarantine_list(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "TASK",     "STATE", "TYPE", "SUBJECT", "ITEM",
                                             "ATTEMPTS", "SINCE", "NEXT", "REASON",  NULL };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const char *params[FILTERS + 2] = { NULL }, *state = args_get(a, "state");
        char limit[24];
        int64_t n;
        int rc = args_number(a, "limit", 50, 1, 10000000, &n);
        if (rc == 0)
                rc = read_filters(a, params);
        if (rc == 0)
                rc = cli_db(c);
        if (rc)
                return rc;
        snprintf(limit, sizeof limit, "%" PRId64, n);
        params[FILTERS] = !state                      ? "quarantined,behind,replay,drop,record"
                          : strcmp(state, "all") == 0 ? NULL
                                                      : state;
        params[FILTERS + 1] = limit;
        rc = cli_query(c, sql_quarantine_list, params, ARRAY_LEN(params), &r);
        if (rc)
                return rc;
        if (c->json)
                return print_json(json_rows(r));
        static const int columns[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
        rows_print(c, heads, columns, r);
        return CODE_OK;
}

int verb_quarantine_show(struct cli *c, const struct args *a)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL,
                            *errors CLEANUP(db_result_cleanup) = NULL;
        const char *id = args_operand(a, 0);
        if (!is_id(id))
                return cli_error(CODE_USAGE,
                                 "quarantine show: \"%s\" is no task id, nor the beginning of one",
                                 id);
        int rc = cli_db(c);
        if (rc == 0)
                rc = cli_query(c, sql_quarantine_show, &id, 1, &r);
        if (rc == 0)
                rc = cli_query(c, sql_quarantine_errors, &id, 1, &errors);
        if (rc)
                return rc;
        if (db_rows(r) == 0)
                return cli_error(
                        CODE_NOT_FOUND,
                        "no task \"%s\" is parked; see: rollcall quarantine list --state all", id);
        if (db_rows(r) > 1)
                return cli_error(CODE_USAGE,
                                 "\"%s\" is the beginning of several task ids: give more of it",
                                 id);
        if (c->json) {
                json_t *j = json_row(r, 0), *list = json_array();
                for (int i = 0; i < db_rows(errors); i++)
                        json_array_append_new(list, json_span(db_span(errors, i, 0)));
                json_object_set_new(j, "errors", list);
                return print_json(j);
        }
        for (int k = 0; k < db_columns(r); k++)
                if (!db_null(r, 0, k) && *db_str(r, 0, k)) {
                        printf("%-14s ", db_column_name(r, k));
                        print_clean(stdout, db_str(r, 0, k));
                        putchar('\n');
                }
        print_title(c, "Errors");
        for (int i = 0; i < db_rows(errors); i++) {
                print_clean(stdout, db_str(errors, i, 0));
                putchar('\n');
        }
        return CODE_OK;
}

/* ---- replay and drop ---- */

/* params[FILTERS]: the requested state; NULL: quarantined and behind. */
static int confirm_action(struct cli *c, const struct args *a, const char *what,
                          const char *const params[FILTERS + 1])
{
        const char *state = params[FILTERS];
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        char question[256];
        int rc = cli_query(c, sql_quarantine_count, params, FILTERS + 1, &r);
        if (rc)
                return rc;
        int64_t quarantined = db_int(r, 0, 0), blocked = db_int(r, 0, 1),
                chosen = state ? db_int(r, 0, 2) : quarantined + blocked;
        if (chosen == 0 && state)
                return cli_error(
                        CODE_NOT_FOUND,
                        "quarantine %s: no task in state %s matches; see: rollcall quarantine "
                        "list --state all",
                        what, state);
        if (chosen == 0)
                return cli_error(
                        CODE_NOT_FOUND,
                        "quarantine %s: no quarantined task matches; see: rollcall quarantine list",
                        what);
        if (args_on(a, "yes"))
                return 0;
        if (state)
                snprintf(question, sizeof question, "Discard %" PRId64 " tasks in state %s?",
                         chosen, state);
        else
                snprintf(question, sizeof question,
                         "%s %" PRId64 " quarantined tasks, and %" PRId64 " that they block?",
                         strcmp(what, "drop") == 0 ? "Discard" : "Retry", quarantined, blocked);
        return cli_confirm(question);
}

static int request_action(struct cli *c, const struct args *a, const char *what, const char *state)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        char *ids CLEANUP(cleanup_free) = NULL;
        const char *params[FILTERS + 3] = { NULL };
        int rc = read_ids(a, &ids);
        if (rc == 0)
                rc = read_filters(a, params);
        if (rc)
                return rc;
        params[0] = ids;
        params[FILTERS] = state;
        bool any = state;
        for (int i = 0; i < FILTERS; i++)
                any = any || params[i];
        if (any == args_on(a, "all"))
                return cli_error(
                        CODE_USAGE,
                        "quarantine %s: give task ids, options that choose tasks, or --all", what);
        rc = cli_db(c);
        if (rc == 0)
                rc = confirm_action(c, a, what, params);
        if (rc)
                return rc;
        params[FILTERS + 1] = what;
        params[FILTERS + 2] = c->actor_given;
        rc = cli_query(c, sql_quarantine_request, params, ARRAY_LEN(params), &r);
        if (rc)
                return rc;
        int64_t n = db_int(r, 0, 0);
        if (c->json)
                return print_json(
                        json_pack("{s:s, s:I}", "asked_for", what, "tasks", (json_int_t)n));
        printf("%s requested for %" PRId64 " task%s\n", what, n, n == 1 ? "" : "s");
        return CODE_OK;
}

int verb_quarantine_replay(struct cli *c, const struct args *a)
{
        return request_action(c, a, "replay", NULL);
}

int verb_quarantine_drop(struct cli *c, const struct args *a)
{
        return request_action(c, a, "drop", args_get(a, "state"));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pack's own command: looks the subject up, shows what the task would do (a dry run of it), asks,
 * submits the task and waits for its outcome. All it knows comes from the pack.
 */
#include "outcome.h"
#include "filing.h"
#include "output.h"
#include "commands.h"
#include "help.h"
#include "pack_command.h"

#include "pack/statement.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PARAMS_MAX = 1024 * 1024, SETTINGS_MAX = 1024 * 1024 };

static const struct flag command_flags[] = {
        { "yes", NULL, "do not ask", NULL, 'y', false, false },
        { "dry-run", NULL, "show what would be done and stop", NULL, 'n', false, false },
        { "timeout", "TIME", "how long to wait for the outcome (default 60s)", NULL, 0, false,
          false },
        { .name = NULL },
};

static const struct command *of_pack(const struct pack *p, const char *name)
{
        for (size_t i = 0; i < p->n_commands; i++)
                if (strcmp(p->commands[i].name, name) == 0)
                        return &p->commands[i];
        return NULL;
}

/* "NAME", "PACK NAME" or "PACK:NAME". */
int pack_command_find(struct cli *c, const char *first, const char *second,
                      const struct command **ret, int *ret_words)
{
        size_t found = 0;
        const char *colon = strchr(first, ':');
        bool unnamed;
        const char *config = service_path(c->config_given, &unnamed);
        if (access(config, F_OK) < 0)
                return cli_error(CODE_USAGE,
                                 "there is no command \"%s\"; packs may have more, but there is no "
                                 "configuration %s; see: rollcall --help",
                                 first, config);
        int rc = cli_packs(c);
        if (rc) {
                cli_note("\"%s\" is no command of rollcall itself; the packs' commands need the "
                         "configuration; see: rollcall --help",
                         first);
                return rc;
        }
        *ret_words = 1;
        *ret = NULL;
        for (size_t i = 0; i < c->packs->n; i++) {
                const struct pack *p = c->packs->list[i];
                bool this_pack = colon && strlen(p->name) == (size_t)(colon - first) &&
                                 strncmp(p->name, first, (size_t)(colon - first)) == 0;
                if (second && strcmp(p->name, first) == 0 && (*ret = of_pack(p, second))) {
                        *ret_words = 2;
                        return 0;
                }
                const struct command *k = this_pack ? of_pack(p, colon + 1) : of_pack(p, first);
                if (k) {
                        *ret = k;
                        found++;
                }
        }
        if (found > 1)
                return cli_error(CODE_USAGE,
                                 "several packs have a command \"%s\": write rollcall PACK %s",
                                 first, first);
        return found ? 0
                     : cli_error(CODE_USAGE,
                                 "there is no command \"%s\"; see: rollcall --help, rollcall "
                                 "commands",
                                 first);
}

int pack_commands_list(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "COMMAND", "PACK", "WHAT IT DOES", NULL };
        (void)a;
        int rc = cli_packs(c);
        if (rc)
                return rc;
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        json_t *list = c->json ? json_array() : NULL;
        for (size_t i = 0; i < c->packs->n; i++)
                for (size_t k = 0; k < c->packs->list[i]->n_commands; k++) {
                        const struct command *m = &c->packs->list[i]->commands[k];
                        if (list)
                                json_array_append_new(
                                        list, json_pack("{s:s, s:s, s:s, s:s?, s:s}", "pack",
                                                        m->pack->name, "name", m->name, "subject",
                                                        m->subject_label, "help", m->help,
                                                        "task_type", m->type->full_name));
                        table_addf(&t, "%s %s", m->name, m->subject_label);
                        table_add(&t, m->pack->name);
                        table_add(&t, m->help);
                }
        if (list)
                return print_json(list);
        table_print(c, &t);
        return CODE_OK;
}

struct call {
        struct cli *cli;
        const struct command *command;
        const struct args *args;
        struct arena *memory;
        struct run_values values;
        const char **given; /* one per argument; NULL: not given */
        struct task_request task;
        struct db_result *current, *proposal;
        const char *verdict; /* the proposal's outcome */
        int64_t timeout;
};

static void call_deinit(struct call *q)
{
        db_result_free(q->current);
        db_result_free(q->proposal);
        arena_free(q->memory);
}

static int prepare_call(struct call *q)
{
        const struct task_type *t = q->command->type;
        struct err e = ERR_INIT;
        struct setting_value *settings;
        q->memory = arena_new(SETTINGS_MAX);
        q->given = q->memory ? arena_alloc(q->memory, (t->n_arguments + 1) * sizeof *q->given)
                             : NULL;
        if (!q->given)
                return cli_oom();
        for (size_t i = 0; i < t->n_arguments; i++)
                q->given[i] = args_declared(q->args, &t->arguments[i]);
        task_request_for_others(q->cli, t, q->given);
        q->values = (struct run_values){
                .now = INSTANT_NONE, .actor = q->cli->actor, .dry_run = true, .pack = t->pack
        };
        if (settings_resolve(t->pack, NULL, NULL, 0, q->memory, &settings, &q->values.n_settings,
                             &e) < 0)
                return cli_fail(CODE_CONFIG, &e);
        q->values.settings = settings;
        q->task = (struct task_request){ .type = t,
                                         .id = uuid_random(),
                                         .subject = args_operand(q->args, 0),
                                         .item = "",
                                         .values = q->given };
        return 0;
}

/* The first column of the lookup's row is the subject, the others are what people want to see. */
enum { CHOICES_MAX = 10 };

/* Whoever is meant can be named by number. */
static int refuse_ambiguous(const struct call *q, const struct command *k)
{
        BUF_CLEANUP struct buf list = { .max = 4096 };
        for (int i = 0; i < db_rows(q->current) && i < CHOICES_MAX; i++)
                buf_addf(&list, "%s#%s %s", i ? ", " : "", db_str(q->current, i, 0),
                         db_columns(q->current) > 1 ? db_str(q->current, i, 1) : "");
        return cli_error(CODE_USAGE,
                         "%s: several people match %s \"%s\": %s%s; give one as #NUMBER", k->name,
                         k->subject_label, args_operand(q->args, 0), buf_str(&list),
                         db_rows(q->current) > CHOICES_MAX ? ", …" : "");
}

static int look_up(struct call *q)
{
        const struct parameter subject = { .name = "subject", .type = VALUE_TEXT };
        const struct command *k = q->command;
        struct err e = ERR_INIT;
        struct bound_sql b CLEANUP(bound_sql_deinit) = { 0 };
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!k->lookup.text)
                return 0;
        if (!p)
                return cli_oom();
        q->values.subject = args_operand(q->args, 0);
        if (sql_bind_own_time(&k->lookup, k->pack, &subject, 1, 1, &b, &e) < 0 ||
            sql_add_values(&b, &q->values, p, &e) < 0)
                return cli_fail(CODE_CONFIG, &e);
        struct db *d = q->cli->db;
        if (db_exec(d, "begin read only", &e) < 0 || pack_search_path(d, k->pack, true, &e) < 0 ||
            db_query(d, b.text, p, &q->current, &e) < 0 || db_exec(d, "rollback", &e) < 0) {
                err_prefix(&e, "%s", k->lookup.path);
                return cli_db_fail(&e);
        }
        q->values.subject = NULL;
        if (db_rows(q->current) == 0)
                return cli_error(CODE_NOT_FOUND, "%s: there is no %s \"%s\"", k->name,
                                 k->subject_label, args_operand(q->args, 0));
        if (db_rows(q->current) > 1)
                return refuse_ambiguous(q, k);
        q->task.subject = db_str(q->current, 0, 0);
        return 0;
}

static void print_current(const struct call *q)
{
        if (!q->current || q->cli->json)
                return;
        print_title(q->cli, "Current state");
        for (int col = 1; col < db_columns(q->current); col++) {
                bool yes_no = strcmp(db_column_type(q->current, col), "bool") == 0 &&
                              !db_null(q->current, 0, col);
                printf("  %-22s ", db_column_name(q->current, col));
                print_clean(stdout, yes_no ? db_bool(q->current, 0, col) ? "yes" : "no"
                                           : db_str(q->current, 0, col));
                putchar('\n');
        }
}

/* What would be done: a worker does it, and rolls it back. The tool needs no right on the
 * organisation's tables. */
static int show_proposal(struct call *q)
{
        struct task_request preview = q->task;
        instant earlier;
        preview.id = uuid_random();
        preview.dry_run = true;
        int rc = filing_one(q->cli, &preview, &earlier);
        if (rc == 0)
                rc = outcome_wait(q->cli, &preview, q->timeout, &q->proposal);
        if (rc)
                return rc;
        q->verdict = db_str(q->proposal, 0, db_column(q->proposal, "outcome"));
        if (!q->cli->json)
                outcome_print(q->cli, "Proposal", q->proposal);
        return 0;
}

static json_t *current_json(const struct call *q)
{
        return q->current ? json_row(q->current, 0) : json_null();
}

static json_t *proposal_json(const struct call *q)
{
        return q->proposal ? json_row(q->proposal, 0)
                           : json_pack("{s:s, s:s}", "outcome", q->verdict, "reason", "");
}

static int print_document(const struct call *q, const struct db_result *result)
{
        return print_json(json_pack("{s:s, s:s, s:o, s:o, s:o}", "command", q->command->name,
                                    "subject", q->task.subject, "current", current_json(q),
                                    "proposal", proposal_json(q), "result",
                                    result ? json_row(result, 0) : json_null()));
}

static int submit_task(struct call *q)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct cli *c = q->cli;
        instant earlier;
        int rc = filing_one(c, &q->task, &earlier);
        if (rc == 0)
                rc = outcome_wait(c, &q->task, q->timeout, &r);
        if (rc)
                return rc;
        if (c->json)
                rc = print_document(q, r);
        else
                outcome_print(c, args_operand(q->args, 0), r);
        return rc ? rc : outcome_code(db_str(r, 0, db_column(r, "outcome")));
}

/* Its own role, before anything is shown. The type's is checked where the task is filed. */
static int check_role(const struct call *q)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const char *params[] = { q->command->requires_role, q->command->name };
        return params[0] ? cli_query(q->cli, "select rollcall.check_role($1, $2)", params, 2, &r)
                         : 0;
}

static int run_call(struct call *q)
{
        struct err e = ERR_INIT;
        int rc = prepare_call(q);
        if (rc == 0)
                rc = cli_db(q->cli);
        if (rc == 0)
                rc = check_role(q);
        if (rc == 0)
                rc = look_up(q);
        if (rc)
                return rc;
        if (task_request_check(&q->task, &e) < 0)
                return cli_error(CODE_USAGE, "%s: %s", q->command->name, e.text);
        print_current(q);
        bool asks = (q->command->confirm || type_destructive(q->command->type)) &&
                    !args_on(q->args, "yes") && !args_on(q->args, "dry-run");
        if (asks && !isatty(STDIN_FILENO)) /* nobody waits for a proposal that nobody can answer */
                return cli_confirm("Do it?");
        rc = show_proposal(q);
        if (rc)
                return rc;
        rc = outcome_code(q->verdict);
        if (rc || args_on(q->args, "dry-run")) {
                int printed = q->cli->json ? print_document(q, NULL) : 0;
                return printed ? printed : rc;
        }
        if (asks && (rc = cli_confirm("Do it?")))
                return rc;
        return submit_task(q);
}

int pack_command_run(struct cli *c, const struct command *command, int argc, char **argv)
{
        char name[200];
        snprintf(name, sizeof name, "%s", command->name);
        const struct verb v = {
                .name = name,
                .operands = command->subject_label,
                .min = 1,
                .max = 1,
                .help = command->help ? command->help : "a command of the pack",
                .flags = command_flags,
        };
        struct flag *more CLEANUP(flags_cleanup) = flags_of(
                command->type->arguments, command->type->n_arguments, command_flags);
        struct args *a CLEANUP(args_cleanup) = NULL;
        if (!more)
                return cli_oom();
        int rc = args_parse(c, &v, more, argc, argv, &a);
        if (rc)
                return rc;
        if (args_help(a)) {
                help_verb(&v, more, stdout);
                return CODE_OK;
        }
        struct call q CLEANUP(call_deinit) = { .cli = c, .command = command, .args = a };
        rc = args_duration(a, "timeout", 60000, &q.timeout);
        if (rc == 0)
                rc = cli_actor(c);
        return rc ? rc : run_call(&q);
}

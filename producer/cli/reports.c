/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall report`: a pack's reports listed, rendered and written to files. */
#include "lookup.h"
#include "output.h"
#include "reports.h"
#include "commands.h"

#include "report/report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int report_declare(struct cli *c, const char *operand, struct flag **ret)
{
        static const struct flag fixed[] = {
                { "format", "FORMAT", "", NULL, 0, false, false },
                { "output-file", "FILE", "", NULL, 0, false, false },
                { .name = NULL },
        };
        const struct report *r = NULL;
        int rc = report_find(c, operand, &r);
        if (rc)
                return rc;
        *ret = flags_of(r->parameters, r->n_parameters, fixed);
        return *ret ? 0 : cli_oom();
}

static int list_reports(struct cli *c)
{
        static const char *const heads[] = { "REPORT", "TITLE", "WHAT IT TELLS", NULL };
        int rc = cli_packs(c);
        if (rc)
                return rc;
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        json_t *list = c->json ? json_array() : NULL;
        for (size_t i = 0; i < c->packs->n; i++)
                for (size_t k = 0; k < c->packs->list[i]->n_reports; k++) {
                        const struct report *r = &c->packs->list[i]->reports[k];
                        if (list)
                                json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:s?}",
                                                                      "pack", r->pack->name, "name",
                                                                      r->name, "title", r->title,
                                                                      "help", r->help));
                        table_addf(&t, "%s.%s", r->pack->name, r->name);
                        table_add(&t, r->title);
                        table_add(&t, r->help);
                }
        if (list)
                return print_json(list);
        table_print(c, &t);
        return CODE_OK;
}

static int save(struct cli *c, const char *file, const char *title, int document,
                enum report_format format)
{
        struct err e = ERR_INIT;
        const char *slash = strrchr(file, '/');
        char *folder CLEANUP(cleanup_free) =
                slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : strdup(".");
        struct report_file *f CLEANUP(report_file_cleanup) = NULL;
        if (!folder)
                return cli_oom();
        if (report_create(folder, slash ? slash + 1 : file, &f, &e) < 0 ||
            report_render_file(title, document, format, report_fd(f), &e) < 0 ||
            report_commit(f, NULL, NULL, &e) < 0)
                return cli_fail(CODE_FAILED, &e);
        if (!c->json)
                fprintf(stderr, "wrote %s\n", file);
        return CODE_OK;
}

/* A report about a run has a parameter "run" of type uuid: one that is not there would give an
 * empty report. */
static int check_run(struct cli *c, const struct report *r, const struct setting_value *given,
                     size_t n_given)
{
        for (size_t i = 0; i < n_given; i++)
                for (size_t k = 0; k < r->n_parameters; k++) {
                        struct db_result *found CLEANUP(db_result_cleanup) = NULL;
                        if (strcmp(given[i].name, "run") != 0 ||
                            strcmp(r->parameters[k].name, "run") != 0 ||
                            r->parameters[k].type != VALUE_UUID || !given[i].value)
                                continue;
                        int rc = cli_query(c, "select from rollcall.run where run_id = $1::uuid",
                                           &given[i].value, 1, &found);
                        if (rc)
                                return rc;
                        if (db_rows(found) == 0)
                                return cli_error(
                                        CODE_NOT_FOUND,
                                        "report %s: there is no run %s; see: rollcall runs list",
                                        r->name, given[i].value);
                }
        return 0;
}

int report_document(struct cli *c, const struct report *r, const struct setting_value *given,
                    size_t n_given, int *ret_fd)
{
        struct err e = ERR_INIT;
        struct arena *memory CLEANUP(arena_cleanup) = arena_new(1024 * 1024);
        struct setting_value *settings;
        struct run_values v = { .now = instant_now(),
                                .actor = c->actor,
                                .pack = r->pack,
                                .parameters = given,
                                .n_parameters = n_given };
        if (!memory)
                return cli_oom();
        if (settings_resolve(r->pack, NULL, NULL, 0, memory, &settings, &v.n_settings, &e) < 0)
                return cli_fail(CODE_CONFIG, &e);
        v.settings = settings;
        int rc = check_run(c, r, given, n_given);
        if (rc)
                return rc;
        if (report_spool(NULL, ret_fd, &e) < 0)
                return cli_fail(CODE_FAILED, &e);
        return report_query(c->db, r, &v, *ret_fd, &e) < 0
                       ? cli_fail(db_alive(c->db) ? CODE_FAILED : CODE_UNREACHABLE, &e)
                       : 0;
}

static int query(struct cli *c, const struct args *a, const struct report *r, int *ret_fd)
{
        struct err e = ERR_INIT;
        size_t n = 0;
        struct setting_value *given CLEANUP(cleanup_free) = calloc(r->n_parameters + 1,
                                                                   sizeof *given);
        if (!given)
                return cli_oom();
        for (size_t i = 0; i < r->n_parameters; i++) {
                const char *value = args_declared(a, &r->parameters[i]);
                if (value && parameter_check(&r->parameters[i], span_of(value), &e) < 0)
                        return cli_error(CODE_USAGE, "report %s: %s", r->name, e.text);
                if (value)
                        given[n++] = (struct setting_value){ r->parameters[i].name, value };
        }
        return report_document(c, r, given, n, ret_fd);
}

int verb_report(struct cli *c, const struct args *a)
{
        const char *format_name = args_get(a, "format"), *file = args_get(a, "output-file");
        enum report_format format = c->json ? REPORT_JSON : REPORT_TABLE;
        const struct report *r = NULL;
        struct err e = ERR_INIT;
        if (!args_operand(a, 0))
                return list_reports(c);
        if (format_name && !report_format_parse(format_name, &format))
                return cli_error(
                        CODE_USAGE,
                        "report: --format \"%s\" is no format; see: rollcall report --help",
                        format_name);
        int document CLEANUP(cleanup_close) = -1;
        int rc = report_find(c, args_operand(a, 0), &r);
        if (rc == 0)
                rc = cli_actor(c);
        if (rc == 0)
                rc = cli_db_any(c);
        if (rc == 0)
                rc = query(c, a, r, &document);
        if (rc)
                return rc;
        if (file)
                return save(c, file, r->title ? r->title : r->name, document, format);
        fflush(stdout);
        if (report_render_file(r->title ? r->title : r->name, document, format, STDOUT_FILENO, &e) <
            0)
                return cli_fail(CODE_FAILED, &e);
        return CODE_OK;
}

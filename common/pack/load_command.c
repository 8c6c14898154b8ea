/* SPDX-License-Identifier: Apache-2.0 */
/* The commands and reports of pack.cfg. */
#include "pack/load_command.h"

#include "pack/load_parameter.h"
#include "pack/load_type.h"

static int load_command(struct loader *l, const struct cfg_node *n, const char *const *taken,
                        struct command *c, struct err *e)
{
        static const char *const known[] = { "name",   "help",    "task_type",     "subject",
                                             "lookup", "confirm", "requires_role", NULL };
        const char *type;
        c->pack = l->pack;
        if (cfg_only(n, known, e) < 0 || load_name(n, taken, &c->name, e) < 0 ||
            cfg_str(n, "help", NULL, &c->help, e) < 0 ||
            cfg_str_required(n, "task_type", &type, e) < 0 ||
            load_type_of(l, cfg_get(n, "task_type"), type, &c->type, e) < 0)
                return -1;
        if (c->type->scope != SCOPE_SUBJECT)
                return cfg_error(cfg_get(n, "task_type"), e,
                                 "found \"%s\" of scope \"run\", expected one of scope \"subject\"",
                                 type);
        if (cfg_str(n, "subject", "SUBJECT", &c->subject_label, e) < 0 ||
            load_file(l, n, "lookup", true, &c->lookup, e) < 0)
                return -1;
        return load_role(n, &c->requires_role, e) < 0
                       ? -1
                       : cfg_bool(n, "confirm", true, &c->confirm, e);
}

int load_commands(struct loader *l, struct err *e)
{
        const struct cfg_node *list;
        struct pack *p = l->pack;
        if (load_list(l, "commands", &list, e) < 0)
                return -1;
        const char **names = load_array(l, cfg_count(list), sizeof *names);
        p->commands = load_array(l, cfg_count(list), sizeof *p->commands);
        if (!p->commands || !names)
                return err_oom(e);
        for (int i = 0; i < cfg_count(list); i++) {
                if (load_command(l, cfg_at(list, i), names, &p->commands[i], e) < 0)
                        return -1;
                names[i] = p->commands[i].name;
        }
        p->n_commands = (size_t)cfg_count(list);
        return 0;
}

static int load_report(struct loader *l, const struct cfg_node *n, struct report *r, struct err *e)
{
        static const char *const known[] = { "name", "title",      "help", "statement",
                                             "kind", "parameters", NULL };
        static const char *const kinds[] = { "document", "rows", NULL };
        int kind;
        r->pack = l->pack;
        if (cfg_only(n, known, e) < 0 || load_name(n, l->report_names, &r->name, e) < 0 ||
            cfg_str(n, "title", r->name, &r->title, e) < 0 ||
            cfg_str(n, "help", NULL, &r->help, e) < 0 ||
            load_file(l, n, "statement", true, &r->statement, e) < 0 ||
            cfg_choice(n, "kind", kinds, 0, &kind, e) < 0)
                return -1;
        r->rows = kind == 1;
        return load_parameters(l, n, "parameters", PARAMETER_OF_REPORT, &r->parameters,
                               &r->n_parameters, e);
}

int load_reports(struct loader *l, struct err *e)
{
        const struct cfg_node *list;
        struct pack *p = l->pack;
        if (load_list(l, "reports", &list, e) < 0)
                return -1;
        l->report_names = load_array(l, cfg_count(list), sizeof *l->report_names);
        p->reports = load_array(l, cfg_count(list), sizeof *p->reports);
        if (!p->reports || !l->report_names)
                return err_oom(e);
        for (int i = 0; i < cfg_count(list); i++) {
                if (load_report(l, cfg_at(list, i), &p->reports[i], e) < 0)
                        return -1;
                l->report_names[i] = p->reports[i].name;
        }
        p->n_reports = (size_t)cfg_count(list);
        return 0;
}

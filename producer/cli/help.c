/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall help` and --help: the table of commands as text. */
#include "man.h"
#include "commands.h"
#include "help.h"

#include "config/service.h"

#include <ctype.h>
#include <string.h>

static const char exit_codes[] =
        "Exit codes: 0 done; 1 what was requested failed; 2 wrong usage; 3 configuration; 4 "
        "database or\n"
        "Kafka not reachable; 5 not found; 6 timed out waiting; 7 refused or cancelled.\n";

/* "  -n, --dry-run            text" */
static void print_flag(const struct flag *f, FILE *to)
{
        char left[80];
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", f->letter ? "-" : "  ",
                 f->letter ? f->letter : ' ', f->letter ? ", " : " ", f->name, f->value ? " " : "",
                 f->value ? f->value : "");
        fprintf(to, "  %-26s  %s%s\n", left, f->help, f->required ? " (required)" : "");
}

static void print_flags(const char *title, const struct flag *f, FILE *to)
{
        if (!f || !f->name)
                return;
        fprintf(to, "\n%s:\n", title);
        for (; f->name; f++)
                print_flag(f, to);
}

static void print_verb(const struct verb *v, FILE *to)
{
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", v->name, *v->operands ? " " : "", v->operands);
        fprintf(to, "  %-22s %s\n", left, v->help);
}

void help_all(const struct verb *verbs, FILE *to)
{
        fputs("Usage: rollcall COMMAND [OPTIONS]\n\nCommand-line tool for operating "
              "Rollcall.\n\nCommands:\n",
              to);
        for (const struct verb *v = verbs; v->name; v++)
                print_verb(v, to);
        fputs("\nPacks have commands of their own: rollcall commands lists them.\n", to);
        print_flags("Options of every command", global_flags, to);
        fprintf(to, "\n%sHelp on one command: rollcall COMMAND --help\n", exit_codes);
}

void help_group(const struct verb *verbs, const char *group, FILE *to)
{
        size_t len = strlen(group);
        fprintf(to, "Usage: rollcall %s COMMAND [OPTIONS]\n\nCommands:\n", group);
        for (const struct verb *v = verbs; v->name; v++)
                if (strncmp(v->name, group, len) == 0 && v->name[len] == ' ')
                        print_verb(v, to);
}

void help_verb(const struct verb *v, const struct flag *more, FILE *to)
{
        fprintf(to, "Usage: rollcall %s%s%s [OPTIONS]\n\n%c%s.\n", v->name, *v->operands ? " " : "",
                v->operands, toupper((unsigned char)*v->help), *v->help ? v->help + 1 : "");
        if (v->detail)
                fprintf(to, "%s\n", v->detail);
        print_flags("Options", v->flags, to);
        print_flags("Options that choose tasks", v->filters, to);
        print_flags("Options of the pack", more, to);
        print_flags("Options of every command", global_flags, to);
        fprintf(to, "\n%s", exit_codes);
}

/* ---- rollcall help ---- */

enum { MAN_MAX = 1024 * 1024 };

static int print_man(const struct cli *c, const char *page)
{
        BUF_CLEANUP struct buf out = { .max = MAN_MAX };
        if (!page || strcmp(page, "rollcall") == 0)
                man_rollcall(c->verbs, &out);
        else if (strcmp(page, "rollcall.cfg") == 0)
                service_man(&out);
        else
                return cli_error(CODE_USAGE,
                                 "help: --man \"%s\": rollcall or rollcall.cfg was expected", page);
        if (out.failed)
                return cli_oom();
        fputs(buf_str(&out), stdout);
        return CODE_OK;
}

int verb_help(struct cli *c, const struct args *a)
{
        const char *first = args_operand(a, 0), *second = args_operand(a, 1);
        int words = 0;
        bool group = false;
        if (args_on(a, "man"))
                return print_man(c, first);
        if (!first) {
                help_all(c->verbs, stdout);
                return CODE_OK;
        }
        const struct verb *v = verb_find(c->verbs, first, second, &words, &group);
        if (v)
                help_verb(v, NULL, stdout);
        else if (group)
                help_group(c->verbs, first, stdout);
        else
                return cli_error(
                        CODE_USAGE,
                        "help: there is no command \"%s\"; see: rollcall help, rollcall commands",
                        first);
        return CODE_OK;
}

int verb_version(struct cli *c, const struct args *a)
{
        (void)a;
        if (c->json)
                printf("{\"version\": \"%s\"}\n", ROLLCALL_VERSION);
        else
                printf("rollcall %s\n", ROLLCALL_VERSION);
        return CODE_OK;
}

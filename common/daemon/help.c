/* SPDX-License-Identifier: Apache-2.0 */
/* --help, and the manual page, of the three daemons: the same texts. */
#include "daemon/help.h"

#include "base/err.h"
#include "base/roff.h"

#include <stdio.h>
#include <string.h>

enum { MAN_MAX = 64 * 1024 };

static const struct {
        const char *letter, *name, *help;
} options[] = {
        { "-c", "--config FILE",
          "the configuration (else $ROLLCALL_CONFIG, ./rollcall.cfg, /etc/rollcall/rollcall.cfg);\n"
          "./rollcall.cfg only when nobody but you and root can write it" },
        { NULL, "--check-config", "check the configuration and its packs, and exit" },
        { NULL, "--check-statements", "the same, and prepare the statements on the database" },
        { "-h", "--help", "print this text" },
        { "-V", "--version", "print the version" },
};

static const char signals[] =
        "SIGTERM or SIGINT: finish the current work and exit; a second one: exit at once.\n"
        "SIGHUP: check the configuration, then restart with it; an invalid one is reported and\n"
        "ignored.";

static const struct {
        const char *code, *meaning;
} statuses[] = {
        { "0", "done" },
        { "1", "it could not start, or had to stop" },
        { "2", "wrong usage" },
        { "3", "invalid configuration" },
};

static void print_option(size_t i)
{
        const char *text = options[i].help;
        printf("  %2s%s %-19s", options[i].letter ? options[i].letter : "",
               options[i].letter ? "," : " ", options[i].name);
        for (size_t n; *text; text += n + (text[n] == '\n')) {
                n = strcspn(text, "\n");
                printf("%s%.*s\n", text == options[i].help ? " " : "                          ",
                       (int)n, text);
        }
}

void daemon_print_help(const char *program, const char *help)
{
        printf("Usage: %s [-c FILE] [--check-config]\n\n%s\n\n", program, help);
        for (size_t i = 0; i < ARRAY_LEN(options); i++)
                print_option(i);
        printf("\n%s\nExit status: ", signals);
        for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
                printf("%s%s %s", i ? ", " : "", statuses[i].code, statuses[i].meaning);
        puts(".");
}

void daemon_print_man(const char *program, const char *help)
{
        BUF_CLEANUP struct buf out = { .max = MAN_MAX };
        const char *name = strchr(program, '-');
        char summary[100], synopsis[100], term[100];
        snprintf(summary, sizeof summary, "%s of Rollcall", name ? name + 1 : program);
        snprintf(synopsis, sizeof synopsis, "%s [-c FILE] [--check-config]", program);
        roff_begin(&out, program, 8, summary);
        roff_heading(&out, "SYNOPSIS");
        roff_paragraph(&out, synopsis);
        roff_heading(&out, "DESCRIPTION");
        roff_paragraph(&out, help);
        roff_heading(&out, "OPTIONS");
        for (size_t i = 0; i < ARRAY_LEN(options); i++) {
                snprintf(term, sizeof term, "%s%s%s", options[i].letter ? options[i].letter : "",
                         options[i].letter ? ", " : "", options[i].name);
                roff_item(&out, term, options[i].help);
        }
        roff_heading(&out, "SIGNALS");
        roff_paragraph(&out, signals);
        roff_heading(&out, "EXIT STATUS");
        for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
                roff_item(&out, statuses[i].code, statuses[i].meaning);
        roff_heading(&out, "SEE ALSO");
        roff_paragraph(&out, "rollcall(1), rollcall.cfg(5)");
        fputs(buf_str(&out), stdout);
}

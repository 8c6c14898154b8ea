/* SPDX-License-Identifier: Apache-2.0 */
/* rollcall(1), made from the table of commands. */
#include "man.h"

#include "base/roff.h"

#include <ctype.h>
#include <stdio.h>

enum { TERM_MAX = 200, TEXT_MAX = 1024 };

static void add_flags(struct buf *out, const struct flag *f)
{
        for (; f && f->name; f++) {
                char term[TERM_MAX], text[TEXT_MAX], letter[8] = "";
                if (f->letter)
                        snprintf(letter, sizeof letter, "-%c, ", f->letter);
                snprintf(term, sizeof term, "%s--%s%s%s", letter, f->name, f->value ? " " : "",
                         f->value ? f->value : "");
                snprintf(text, sizeof text, "%s%s", f->help, f->required ? " (required)" : "");
                roff_item(out, term, text);
        }
}

/* As a sentence: "Print the version." */
static void add_sentence(struct buf *out, const struct verb *v)
{
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "%c%s.%s%s", toupper((unsigned char)*v->help), v->help + 1,
                 v->detail ? "\n" : "", v->detail ? v->detail : "");
        roff_paragraph(out, text);
}

static void add_verb(struct buf *out, const struct verb *v)
{
        char title[TERM_MAX];
        snprintf(title, sizeof title, "rollcall %s%s%s", v->name, *v->operands ? " " : "",
                 v->operands);
        roff_subheading(out, title);
        add_sentence(out, v);
        add_flags(out, v->flags);
        add_flags(out, v->filters);
}

void man_rollcall(const struct verb *verbs, struct buf *out)
{
        static const struct {
                const char *code, *meaning;
        } codes[] = {
                { "0", "done" },
                { "1", "what was requested failed: checks, a run, a task" },
                { "2", "wrong usage" },
                { "3", "the configuration or a pack cannot be read" },
                { "4", "the database or Kafka cannot be reached" },
                { "5", "not found" },
                { "6", "timed out waiting; the work continues" },
                { "7", "refused by a rule, or cancelled by the answer to a question" },
        };
        roff_begin(out, "rollcall", 1, "command-line tool for operating Rollcall");
        roff_heading(out, "SYNOPSIS");
        roff_paragraph(out, "rollcall COMMAND [OPTIONS]");
        roff_heading(out, "DESCRIPTION");
        roff_paragraph(
                out,
                "Runs, checks and shows what Rollcall does: jobs and their runs, ad-hoc tasks, "
                "results, quarantined tasks, topics, reports and the service's status.");
        roff_paragraph(out, "Packs have commands of their own: rollcall commands lists them, and "
                            "rollcall COMMAND --help describes one.");
        roff_heading(out, "OPTIONS OF EVERY COMMAND");
        add_flags(out, global_flags);
        roff_heading(out, "COMMANDS");
        for (const struct verb *v = verbs; v->name; v++)
                add_verb(out, v);
        roff_heading(out, "EXIT STATUS");
        for (size_t i = 0; i < ARRAY_LEN(codes); i++)
                roff_item(out, codes[i].code, codes[i].meaning);
        roff_heading(out, "FILES");
        roff_item(out, "/etc/rollcall/rollcall.cfg", "the configuration: rollcall.cfg(5)");
        roff_heading(out, "SEE ALSO");
        roff_paragraph(out, "rollcall.cfg(5), rollcall-scheduler(8), rollcall-worker(8), "
                            "rollcall-aggregator(8)");
}

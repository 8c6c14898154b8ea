/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages as roff. */
#include "base/roff.h"

#include <ctype.h>

/* A hyphen is one that can be copied into a shell, and no line begins with a control character. */
static void add_text(struct buf *out, const char *text)
{
        bool begins_line = true;
        for (const char *p = text; *p; p++) {
                if (begins_line && (*p == '.' || *p == '\''))
                        buf_adds(out, "\\&");
                if (*p == '\\')
                        buf_adds(out, "\\e");
                else if (*p == '-')
                        buf_adds(out, "\\-");
                else
                        buf_addc(out, *p);
                begins_line = *p == '\n';
        }
        buf_addc(out, '\n');
}

/* Within a line. */
static void add_term(struct buf *out, const char *term)
{
        for (const char *p = term; *p; p++)
                buf_addf(out, *p == '-' ? "\\-" : *p == '\\' ? "\\e" : "%c", *p);
}

void roff_begin(struct buf *out, const char *page, int section, const char *summary)
{
        buf_adds(out, ".TH \"");
        for (const char *p = page; *p; p++)
                buf_addc(out, (char)toupper((unsigned char)*p));
        buf_addf(out, "\" %d \"\" \"Rollcall %s\" \"Rollcall\"\n", section, ROLLCALL_VERSION);
        roff_heading(out, "NAME");
        add_term(out, page);
        buf_adds(out, " \\- ");
        add_text(out, summary);
}

void roff_heading(struct buf *out, const char *title)
{
        buf_addf(out, ".SH \"%s\"\n", title);
}

void roff_subheading(struct buf *out, const char *title)
{
        buf_addf(out, ".SS \"%s\"\n", title);
}

void roff_paragraph(struct buf *out, const char *text)
{
        buf_adds(out, ".PP\n");
        add_text(out, text);
}

void roff_item(struct buf *out, const char *term, const char *text)
{
        buf_adds(out, ".TP\n\\fB");
        add_term(out, term);
        buf_adds(out, "\\fR\n");
        add_text(out, *text ? text : " ");
}

void roff_indent(struct buf *out)
{
        buf_adds(out, ".RS\n");
}

void roff_outdent(struct buf *out)
{
        buf_adds(out, ".RE\n");
}

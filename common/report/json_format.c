/* SPDX-License-Identifier: Apache-2.0 */
/* Reports as indented JSON. */
#include "report/formats.h"
#include "report/json_format.h"
#include "report/rows.h"

#include <string.h>

static void add_quoted(struct span s, struct buf *out)
{
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
        buf_addc(out, '"');
        for (size_t i = 0; i < s.len; i++) {
                const char *known = strchr(from, s.ptr[i]);
                if (known)
                        buf_addf(out, "\\%c", to[known - from]);
                else if ((unsigned char)s.ptr[i] < ' ')
                        buf_addf(out, "\\u%04X", (unsigned)s.ptr[i]);
                else
                        buf_addc(out, s.ptr[i]);
        }
        buf_addc(out, '"');
}

/* A new line that is indented, or nothing where everything stands on one line (`depth` below 0). */
static void add_break(int depth, struct buf *out)
{
        if (depth < 0)
                return;
        buf_addc(out, '\n');
        for (int i = 0; i < depth; i++)
                buf_adds(out, "  ");
}

static void add_list(struct rendering *r, const struct json_node *v, int depth, struct buf *out)
{
        int inner = depth < 0 ? depth : depth + 1;
        size_t n = 0;
        struct rows w ROWS_CLEANUP = rows_of(r, v);
        buf_addc(out, '[');
        while (rows_next(&w)) {
                buf_adds(out, n++ ? "," : "");
                add_break(inner, out);
                json_add(r, &w.row, inner, out);
        }
        if (n)
                add_break(depth, out);
        buf_addc(out, ']');
}

static void add_map(struct rendering *r, const struct json_node *v, int depth, struct buf *out)
{
        int inner = depth < 0 ? depth : depth + 1;
        buf_addc(out, '{');
        for (const struct json_node *m = v->first; m; m = m->next) {
                buf_adds(out, m == v->first ? "" : ",");
                add_break(inner, out);
                add_quoted(span_of(m->key), out);
                buf_adds(out, depth < 0 ? ":" : ": ");
                json_add(r, m, inner, out);
        }
        if (v->first)
                add_break(depth, out);
        buf_addc(out, '}');
}

void json_add(struct rendering *r, const struct json_node *v, int depth, struct buf *out)
{
        static const char *const words[] = {
                [JSON_NULL_VALUE] = "null", [JSON_YES] = "true", [JSON_NO] = "false"
        };
        switch (v->kind) {
        case JSON_NULL_VALUE:
        case JSON_YES:
        case JSON_NO:
                buf_adds(out, words[v->kind]);
                break;
        case JSON_NUMBER:
                buf_add_span(out, v->text);
                break;
        case JSON_TEXT:
                add_quoted(v->text, out);
                break;
        case JSON_LIST:
                add_list(r, v, depth, out);
                break;
        case JSON_MAP:
                add_map(r, v, depth, out);
                break;
        }
}

void json_render(struct rendering *r, const char *title, const struct json_node *document)
{
        (void)title;
        json_add(r, document, 0, r->out);
        buf_addc(r->out, '\n');
}

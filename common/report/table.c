/* SPDX-License-Identifier: Apache-2.0 */
/* The layout for people: headed sections of "label: value" lines, and tables with aligned columns.
 */
#include "report/formats.h"
#include "report/rows.h"
#include "report/value.h"
#include "report/width.h"

#include <stdlib.h>
#include <string.h>

enum { TITLE_RULE = 60, SECTION_RULE = 30 };

static const struct value_words people_words = {
        .null = "-", .yes = "yes", .no = "no", .between = ", "
};

static void rule(char c, size_t n, struct buf *out)
{
        while (n--)
                buf_addc(out, c);
        buf_addc(out, '\n');
}

/* "total_active_users" -> "Total active users". */
static void add_label(const char *key, struct buf *out)
{
        BUF_CLEANUP struct buf label;
        buf_init(&label, out->max);
        buf_adds(&label, key);
        for (char *p = label.data; p && *p; p++)
                if (*p == '_')
                        *p = ' ';
        if (label.len && label.data[0] >= 'a' && label.data[0] <= 'z')
                label.data[0] = (char)(label.data[0] - 'a' + 'A');
        buf_merge_failure(out, &label);
        add_printable(buf_str(&label), label.len, out);
}

static void add_text(struct rendering *r, const struct json_node *v, struct buf *out)
{
        BUF_CLEANUP struct buf text;
        buf_init(&text, out->max);
        value_text(r, v, &people_words, &text);
        buf_merge_failure(out, &text);
        add_printable(buf_str(&text), text.len, out);
}

static void indent(int by, struct buf *out)
{
        for (int i = 0; i < by; i++)
                buf_adds(out, "  ");
}

/* ---- tables ---- */

struct column {
        size_t width;
        bool numbers, others; /* numbers alone stand on the right */
};

static void widen(struct column *c, const struct buf *text)
{
        size_t w = display_width(buf_str(text), text->len);
        c->width = w > c->width ? w : c->width;
}

static void measure(struct rendering *r, const struct json_node *array, const struct columns *c,
                    struct column *list)
{
        BUF_CLEANUP struct buf text;
        buf_init(&text, r->out->max);
        for (size_t k = 0; k < c->n; k++) {
                buf_reset(&text);
                add_label(c->names[k], &text);
                buf_merge_failure(r->out, &text);
                widen(&list[k], &text);
        }
        struct rows w ROWS_CLEANUP = rows_of(r, array);
        while (rows_next(&w))
                for (size_t k = 0; k < c->n; k++) {
                        const struct json_node *v = columns_cell(&w.row, c->names[k]);
                        buf_reset(&text);
                        add_text(r, v, &text);
                        buf_merge_failure(r->out, &text);
                        widen(&list[k], &text);
                        list[k].numbers |= v && v->kind == JSON_NUMBER;
                        list[k].others |= v && v->kind != JSON_NUMBER && v->kind != JSON_NULL_VALUE;
                }
}

/* `last`: nothing follows, so nothing is filled up on the right. */
static void add_cell(const struct buf *text, const struct column *c, bool last, struct buf *out)
{
        buf_merge_failure(out, text);
        size_t w = display_width(buf_str(text), text->len), fill = c->width > w ? c->width - w : 0;
        bool right = c->numbers && !c->others;
        for (size_t i = 0; right && i < fill; i++)
                buf_addc(out, ' ');
        buf_add(out, buf_str(text), text->len);
        for (size_t i = 0; !right && !last && i < fill; i++)
                buf_addc(out, ' ');
        buf_adds(out, last ? "\n" : "  ");
}

static void add_lines(struct rendering *r, const struct json_node *array, const struct columns *c,
                      const struct column *list, int depth)
{
        struct buf *out = r->out;
        BUF_CLEANUP struct buf text;
        buf_init(&text, out->max);
        indent(depth, out);
        for (size_t k = 0; k < c->n; k++) {
                buf_reset(&text);
                add_label(c->names[k], &text);
                add_cell(&text, &list[k], k + 1 == c->n, out);
        }
        indent(depth, out);
        for (size_t k = 0; k < c->n; k++) {
                for (size_t i = 0; i < list[k].width; i++)
                        buf_addc(out, '-');
                buf_adds(out, k + 1 == c->n ? "\n" : "  ");
        }
        struct rows w ROWS_CLEANUP = rows_of(r, array);
        while (rows_next(&w)) {
                indent(depth, out);
                for (size_t k = 0; k < c->n; k++) {
                        buf_reset(&text);
                        add_text(r, columns_cell(&w.row, c->names[k]), &text);
                        add_cell(&text, &list[k], k + 1 == c->n, out);
                }
        }
}

static void add_table(struct rendering *r, const struct json_node *array, int depth)
{
        struct columns c CLEANUP(columns_deinit) = { 0 };
        if (!columns_of(r, array, &c))
                return;
        if (c.n == 0) {
                indent(depth, r->out);
                buf_adds(r->out, "(none)\n");
                return;
        }
        struct column *list CLEANUP(cleanup_free) = calloc(c.n, sizeof *list);
        if (!list) {
                r->broken = err_oom(r->err) < 0;
                return;
        }
        measure(r, array, &c, list);
        add_lines(r, array, &c, list, depth);
}

/* ---- sections ---- */

static bool nested(const struct json_node *v)
{
        return v->kind == JSON_MAP || report_is_table(v);
}

static void add_pairs(struct rendering *r, const struct json_node *object, int depth)
{
        for (const struct json_node *v = object->first; v; v = v->next) {
                if (nested(v))
                        continue;
                indent(depth, r->out);
                add_label(v->key, r->out);
                buf_adds(r->out, ": ");
                add_text(r, v, r->out);
                buf_addc(r->out, '\n');
        }
}

static void add_inner(struct rendering *r, const struct json_node *object, int depth);

static void add_nested(struct rendering *r, const struct json_node *v, int depth)
{
        if (v->kind == JSON_LIST) {
                add_table(r, v, depth);
        } else {
                add_pairs(r, v, depth);
                add_inner(r, v, depth);
        }
}

/* What is nested in a section: "Label:" and its content, indented. */
static void add_inner(struct rendering *r, const struct json_node *object, int depth)
{
        for (const struct json_node *v = object->first; v && rendering_go_on(r); v = v->next) {
                if (!nested(v))
                        continue;
                buf_addc(r->out, '\n');
                indent(depth, r->out);
                add_label(v->key, r->out);
                buf_adds(r->out, ":\n");
                add_nested(r, v, depth + 1);
        }
}

static void add_heading(const char *key, struct buf *out)
{
        size_t at = out->len;
        add_label(key, out);
        for (; !out->failed && at < out->len; at++)
                if (out->data[at] >= 'a' && out->data[at] <= 'z')
                        out->data[at] = (char)(out->data[at] - 'a' + 'A');
        buf_addc(out, '\n');
        rule('-', SECTION_RULE, out);
}

static void add_sections(struct rendering *r, const struct json_node *document)
{
        add_pairs(r, document, 0);
        for (const struct json_node *v = document->first; v && rendering_go_on(r); v = v->next) {
                if (!nested(v))
                        continue;
                buf_addc(r->out, '\n');
                add_heading(v->key, r->out);
                add_nested(r, v, 0);
        }
}

void table_render(struct rendering *r, const char *title, const struct json_node *document)
{
        rule('=', TITLE_RULE, r->out);
        add_printable(title, strlen(title), r->out);
        buf_addc(r->out, '\n');
        rule('=', TITLE_RULE, r->out);
        if (document->kind == JSON_MAP) {
                add_sections(r, document);
                return;
        }
        add_table(r, document, 0);
        if (document->count)
                buf_addf(r->out, "\n%zu %s\n", document->count,
                         document->count == 1 ? "row" : "rows");
}

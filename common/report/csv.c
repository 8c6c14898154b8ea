/* SPDX-License-Identifier: Apache-2.0 */
/* CSV as RFC 4180 has it: CRLF, quotes doubled. A text that a spreadsheet would evaluate is shown
 * as text by a leading '. */
#include "report/formats.h"
#include "report/rows.h"
#include "report/value.h"

#include <string.h>

static const struct value_words csv_words = {
        .null = "", .yes = "true", .no = "false", .between = "; "
};

/* "-12.5" and "+3" are numbers, which do no harm. */
static bool plain_number(struct span s)
{
        size_t at = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+'), digits = 0, points = 0;
        for (; at < s.len; at++) {
                if (s.ptr[at] >= '0' && s.ptr[at] <= '9')
                        digits++;
                else if (s.ptr[at] != '.' || ++points > 1)
                        return false;
        }
        return digits > 0;
}

static bool formula(struct span s)
{
        static const char *const starts[] = { "=",  "+",  "-",  "@",  "\t", "\r",
                                              "\n", "＝", "＋", "－", "＠" };
        for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
                size_t n = strlen(starts[i]);
                if (s.len >= n && memcmp(s.ptr, starts[i], n) == 0)
                        return !plain_number(s);
        }
        return false;
}

static void add_cell(struct span s, struct buf *out)
{
        bool guard = formula(s), quote = guard;
        for (size_t i = 0; i < s.len && !quote; i++)
                quote = strchr(",\"\r\n", s.ptr[i]) != NULL;
        if (!quote) {
                buf_add_span(out, s);
                return;
        }
        buf_addc(out, '"');
        if (guard)
                buf_addc(out, '\'');
        for (size_t i = 0; i < s.len; i++) {
                if (s.ptr[i] == '"')
                        buf_addc(out, '"');
                buf_addc(out, s.ptr[i]);
        }
        buf_addc(out, '"');
}

static void add_text(const char *s, struct buf *out)
{
        add_cell(span_of(s), out);
}

static void add_value(struct rendering *r, const struct json_node *v)
{
        BUF_CLEANUP struct buf text;
        buf_init(&text, r->out->max);
        value_text(r, v, &csv_words, &text);
        buf_merge_failure(r->out, &text);
        add_cell((struct span){ buf_str(&text), text.len }, r->out);
}

static void add_rows(struct rendering *r, const struct json_node *array)
{
        struct columns c CLEANUP(columns_deinit) = { 0 };
        if (!columns_of(r, array, &c))
                return;
        for (size_t k = 0; k < c.n; k++) {
                if (k)
                        buf_addc(r->out, ',');
                add_text(c.names[k], r->out);
        }
        if (c.n)
                buf_adds(r->out, "\r\n");
        struct rows w ROWS_CLEANUP = rows_of(r, array);
        while (rows_next(&w)) {
                for (size_t k = 0; k < c.n; k++) {
                        if (k)
                                buf_addc(r->out, ',');
                        add_value(r, columns_cell(&w.row, c.names[k]));
                }
                buf_adds(r->out, "\r\n");
        }
}

/* The dotted path of what is visited, kept in one buffer. */
static size_t push(struct buf *path, const char *key)
{
        size_t was = path->len;
        if (was)
                buf_addc(path, '.');
        buf_adds(path, key);
        return was;
}

static void pop(struct buf *path, size_t was)
{
        path->len = was;
        if (path->data)
                path->data[was] = '\0';
}

static void add_scalars(struct rendering *r, const struct json_node *object, struct buf *path)
{
        for (const struct json_node *v = object->first; v; v = v->next) {
                if (v->kind == JSON_MAP) {
                        size_t was = push(path, v->key);
                        add_scalars(r, v, path);
                        pop(path, was);
                } else if (!report_is_table(v)) {
                        add_text(buf_str(path), r->out);
                        buf_addc(r->out, ',');
                        add_text(v->key, r->out);
                        buf_addc(r->out, ',');
                        add_value(r, v);
                        buf_adds(r->out, "\r\n");
                }
        }
}

static void add_tables(struct rendering *r, const struct json_node *object, struct buf *path)
{
        for (const struct json_node *v = object->first; v && rendering_go_on(r); v = v->next) {
                size_t was = push(path, v->key);
                if (v->kind == JSON_MAP) {
                        add_tables(r, v, path);
                } else if (report_is_table(v)) {
                        buf_adds(r->out, "\r\n");
                        add_text(buf_str(path), r->out);
                        buf_adds(r->out, "\r\n");
                        add_rows(r, v);
                }
                pop(path, was);
        }
}

void csv_render(struct rendering *r, const char *title, const struct json_node *document)
{
        (void)title;
        if (document->kind == JSON_LIST) {
                add_rows(r, document);
                return;
        }
        BUF_CLEANUP struct buf path;
        buf_init(&path, r->out->max);
        buf_adds(r->out, "section,name,value\r\n");
        add_scalars(r, document, &path);
        add_tables(r, document, &path);
        buf_merge_failure(r->out, &path);
}

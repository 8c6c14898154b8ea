/* The layout for people: headed sections of "label: value" lines, and tables with aligned columns. */
#include "report/internal.h"

#include <stdlib.h>
#include <string.h>

enum { TITLE_RULE = 60, SECTION_RULE = 30 };

static const struct words people_words = { .null = "-", .yes = "yes", .no = "no", .between = ", " };

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
        buf_note_failure(out, &label);
        add_printable(buf_str(&label), label.len, out);
}

static void add_text(const json_t *v, struct buf *out)
{
        BUF_CLEANUP struct buf text;
        buf_init(&text, out->max);
        value_text(v, &people_words, &text);
        buf_note_failure(out, &text);
        add_printable(buf_str(&text), text.len, out);
}

static void indent(int by, struct buf *out)
{
        for (int i = 0; i < by; i++)
                buf_adds(out, "  ");
}

/* ---- tables -------------------------------------------------------------------------------------------------------------------------- */

struct column {
        size_t width;
        bool right; /* every value is a number */
};

static void measure(const json_t *array, const struct columns *c, struct column *list, struct buf *out)
{
        BUF_CLEANUP struct buf text;
        buf_init(&text, SIZE_MAX / 4);
        for (size_t k = 0; k < c->n; k++) {
                buf_reset(&text);
                add_label(c->names[k], &text);
                buf_note_failure(out, &text);
                list[k].width = display_width(buf_str(&text), text.len);
                bool numbers = false, others = false;
                for (size_t i = 0, n = json_array_size(array); i < n; i++) {
                        const json_t *v = cell_of(json_array_get(array, i), c->names[k]);
                        buf_reset(&text);
                        add_text(v, &text);
                        buf_note_failure(out, &text);
                        size_t w = display_width(buf_str(&text), text.len);
                        list[k].width = w > list[k].width ? w : list[k].width;
                        numbers |= json_is_number(v);
                        others |= v && !json_is_number(v) && !json_is_null(v);
                }
                list[k].right = numbers && !others;
        }
}

/* `last`: nothing follows, so nothing is filled up on the right. */
static void add_cell(const struct buf *text, const struct column *c, bool last, struct buf *out)
{
        buf_note_failure(out, text);
        size_t w = display_width(buf_str(text), text->len), fill = c->width > w ? c->width - w : 0;
        for (size_t i = 0; c->right && i < fill; i++)
                buf_addc(out, ' ');
        buf_add(out, buf_str(text), text->len);
        for (size_t i = 0; !c->right && !last && i < fill; i++)
                buf_addc(out, ' ');
        buf_adds(out, last ? "\n" : "  ");
}

static void add_lines(const json_t *array, const struct columns *c, const struct column *list, int depth, struct buf *out)
{
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
        for (size_t i = 0, n = json_array_size(array); i < n && !out->failed; i++) {
                indent(depth, out);
                for (size_t k = 0; k < c->n; k++) {
                        buf_reset(&text);
                        add_text(cell_of(json_array_get(array, i), c->names[k]), &text);
                        add_cell(&text, &list[k], k + 1 == c->n, out);
                }
        }
}

static int add_table(const json_t *array, int depth, struct buf *out, struct err *e)
{
        struct columns c CLEANUP(columns_deinit) = { 0 };
        if (columns_of(array, &c, e) < 0)
                return -1;
        if (c.n == 0) {
                indent(depth, out);
                buf_adds(out, "(none)\n");
                return 0;
        }
        struct column *list CLEANUP(cleanup_free) = calloc(c.n, sizeof *list);
        if (!list)
                return err_oom(e);
        measure(array, &c, list, out);
        add_lines(array, &c, list, depth, out);
        return 0;
}

/* ---- sections ------------------------------------------------------------------------------------------------------------------------ */

static bool nested(const json_t *v)
{
        return json_is_object(v) || report_is_table(v);
}

static void add_pairs(const json_t *object, int depth, struct buf *out)
{
        const char *key;
        json_t *v;
        json_object_foreach((json_t *)object, key, v) {
                if (nested(v))
                        continue;
                indent(depth, out);
                add_label(key, out);
                buf_adds(out, ": ");
                add_text(v, out);
                buf_addc(out, '\n');
        }
}

/* What is nested in a section: "Label:" and its content, indented. */
static int add_inner(const json_t *object, int depth, struct buf *out, struct err *e)
{
        const char *key;
        json_t *v;
        int rc = 0;
        json_object_foreach((json_t *)object, key, v) {
                if (!nested(v) || rc < 0)
                        continue;
                buf_addc(out, '\n');
                indent(depth, out);
                add_label(key, out);
                buf_adds(out, ":\n");
                if (json_is_array(v)) {
                        rc = add_table(v, depth + 1, out, e);
                } else {
                        add_pairs(v, depth + 1, out);
                        rc = add_inner(v, depth + 1, out, e);
                }
        }
        return rc;
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

static int add_sections(const json_t *document, struct buf *out, struct err *e)
{
        const char *key;
        json_t *v;
        int rc = 0;
        add_pairs(document, 0, out);
        json_object_foreach((json_t *)document, key, v) {
                if (!nested(v) || rc < 0)
                        continue;
                buf_addc(out, '\n');
                add_heading(key, out);
                if (json_is_array(v)) {
                        rc = add_table(v, 0, out, e);
                } else {
                        add_pairs(v, 0, out);
                        rc = add_inner(v, 0, out, e);
                }
        }
        return rc;
}

int table_render(const char *title, const json_t *document, struct buf *out, struct err *e)
{
        rule('=', TITLE_RULE, out);
        add_printable(title, strlen(title), out);
        buf_addc(out, '\n');
        rule('=', TITLE_RULE, out);
        if (json_is_object(document))
                return add_sections(document, out, e);
        if (add_table(document, 0, out, e) < 0)
                return -1;
        size_t n = json_array_size(document);
        if (n)
                buf_addf(out, "\n%zu %s\n", n, n == 1 ? "row" : "rows");
        return 0;
}

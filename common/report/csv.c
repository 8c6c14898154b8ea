/* CSV as RFC 4180 has it: CRLF, quotes doubled. A text that a spreadsheet would evaluate is shown as text by a leading '. */
#include "report/internal.h"

#include <string.h>

static const struct words csv_words = { .null = "", .yes = "true", .no = "false", .between = "; " };

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
        static const char *const starts[] = { "=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠" };
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

static void add_value(const json_t *v, struct buf *out)
{
        if (json_is_string(v)) {
                add_cell((struct span){ json_string_value(v), json_string_length(v) }, out);
                return;
        }
        BUF_CLEANUP struct buf text;
        buf_init(&text, out->max);
        value_text(v, &csv_words, &text);
        buf_note_failure(out, &text);
        add_cell((struct span){ buf_str(&text), text.len }, out);
}

static int add_rows(const json_t *array, struct buf *out, struct err *e)
{
        struct columns c CLEANUP(columns_deinit) = { 0 };
        if (columns_of(array, &c, e) < 0)
                return -1;
        for (size_t k = 0; k < c.n; k++) {
                if (k)
                        buf_addc(out, ',');
                add_text(c.names[k], out);
        }
        if (c.n)
                buf_adds(out, "\r\n");
        for (size_t i = 0, n = json_array_size(array); i < n && !out->failed; i++) {
                for (size_t k = 0; k < c.n; k++) {
                        if (k)
                                buf_addc(out, ',');
                        add_value(cell_of(json_array_get(array, i), c.names[k]), out);
                }
                buf_adds(out, "\r\n");
        }
        return 0;
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

static void add_scalars(const json_t *object, struct buf *path, struct buf *out)
{
        const char *key;
        json_t *v;
        json_object_foreach((json_t *)object, key, v) {
                if (json_is_object(v)) {
                        size_t was = push(path, key);
                        add_scalars(v, path, out);
                        pop(path, was);
                } else if (!report_is_table(v)) {
                        add_text(buf_str(path), out);
                        buf_addc(out, ',');
                        add_text(key, out);
                        buf_addc(out, ',');
                        add_value(v, out);
                        buf_adds(out, "\r\n");
                }
        }
}

static int add_tables(const json_t *object, struct buf *path, struct buf *out, struct err *e)
{
        const char *key;
        json_t *v;
        int rc = 0;
        json_object_foreach((json_t *)object, key, v) {
                if (rc < 0)
                        break;
                size_t was = push(path, key);
                if (json_is_object(v)) {
                        rc = add_tables(v, path, out, e);
                } else if (report_is_table(v)) {
                        buf_adds(out, "\r\n");
                        add_text(buf_str(path), out);
                        buf_adds(out, "\r\n");
                        rc = add_rows(v, out, e);
                }
                pop(path, was);
        }
        return rc;
}

int csv_render(const json_t *document, struct buf *out, struct err *e)
{
        if (json_is_array(document))
                return add_rows(document, out, e);
        BUF_CLEANUP struct buf path;
        buf_init(&path, out->max);
        buf_adds(out, "section,name,value\r\n");
        add_scalars(document, &path, out);
        int rc = add_tables(document, &path, out, e);
        buf_note_failure(out, &path);
        return rc;
}

/* What the formats share: columns, rows one at a time, values as text; and JSON itself. */
#include "report/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
        ROW_MAX = 16 * 1024 * 1024,
        OUT_FULL = 256 * 1024,
        OUT_MAX = 32 * 1024 * 1024,
        COLUMNS_MAX = 4 * 1024 * 1024
};

static const char *const format_names[] = {
        [REPORT_TABLE] = "table", [REPORT_JSON] = "json", [REPORT_CSV] = "csv"
};

const char *report_format_name(enum report_format f)
{
        return format_names[f];
}

int report_format_parse(const char *name, enum report_format *ret)
{
        for (size_t i = 0; i < ARRAY_LEN(format_names); i++)
                if (strcasecmp(name, format_names[i]) == 0) {
                        *ret = (enum report_format)i;
                        return 0;
                }
        return -1;
}

/* ---- one rendering ---- */

static void give_up(struct rendering *r, int rc)
{
        (void)rc; /* r->err is set */
        r->broken = true;
}

static void out_of_memory(struct rendering *r)
{
        give_up(r, err_oom(r->err));
}

static void flush(struct rendering *r)
{
        for (size_t at = 0; at < r->out->len && !r->broken;) {
                ssize_t n = write(r->fd, r->out->data + at, r->out->len - at);
                if (n > 0)
                        at += (size_t)n;
                else if (n == 0 || errno != EINTR)
                        give_up(r, err_set(r->err, ERR_RETRY, "",
                                           "the report cannot be written: %s", strerror(errno)));
        }
        buf_reset(r->out);
}

bool rendering_go_on(struct rendering *r)
{
        if (r->fd >= 0 && !r->out->failed && r->out->len > OUT_FULL)
                flush(r);
        return !r->broken && !r->out->failed;
}

bool report_is_table(const struct json_node *v)
{
        return v->kind == JSON_LIST && (v->has_map || v->count == 0);
}

/* ---- rows and columns ---- */

struct rows rows_of(struct rendering *r, const struct json_node *array)
{
        struct rows w = { .rendering = r,
                          .walk = json_walk(r->text, array),
                          .arena = arena_new(ROW_MAX) };
        if (!w.arena)
                out_of_memory(r);
        return w;
}

bool rows_next(struct rows *w)
{
        if (!rendering_go_on(w->rendering))
                return false;
        arena_reset(w->arena);
        int rc = json_next(&w->walk, w->arena, &w->row, w->rendering->err);
        if (rc < 0)
                give_up(w->rendering, rc);
        return rc > 0;
}

void rows_deinit(struct rows *w)
{
        arena_free(w->arena);
}

/* Most rows have the keys of the first, in its order: the search starts where the last one was
 * found. */
static bool add_column(struct columns *c, size_t *cap, size_t *at, const char *name)
{
        for (size_t i = 0; i < c->n; i++) {
                size_t k = (*at + i) % c->n;
                if (strcmp(c->names[k], name) == 0) {
                        *at = k + 1;
                        return true;
                }
        }
        if (c->n == *cap) {
                size_t bigger = *cap ? *cap * 2 : 16;
                const char **names = realloc(c->names, bigger * sizeof *names);
                if (!names)
                        return false;
                c->names = names;
                *cap = bigger;
        }
        const char *copy = arena_strndup(c->arena, name, strlen(name));
        if (copy)
                c->names[c->n++] = copy;
        *at = c->n;
        return copy;
}

bool columns_of(struct rendering *r, const struct json_node *array, struct columns *ret)
{
        struct columns c = { .arena = arena_new(COLUMNS_MAX) };
        size_t cap = 0;
        bool good = c.arena;
        struct rows w ROWS_CLEANUP = rows_of(r, array);
        while (good && rows_next(&w)) {
                size_t at = 0;
                if (w.row.kind != JSON_MAP)
                        good = add_column(&c, &cap, &at, "value");
                for (const struct json_node *m = w.row.kind == JSON_MAP ? w.row.first : NULL;
                     m && good; m = m->next)
                        good = add_column(&c, &cap, &at, m->key);
        }
        if (!good)
                out_of_memory(r);
        *ret = c;
        return !r->broken;
}

void columns_deinit(struct columns *c)
{
        free(c->names);
        arena_free(c->arena);
        *c = (struct columns){ 0 };
}

const struct json_node *cell_of(const struct json_node *element, const char *column)
{
        if (element->kind == JSON_MAP)
                return json_member(element, column);
        return strcmp(column, "value") == 0 ? element : NULL;
}

/* ---- JSON ---- */

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

static void add_json(struct rendering *r, const struct json_node *v, int depth, struct buf *out);

static void add_list(struct rendering *r, const struct json_node *v, int depth, struct buf *out)
{
        int inner = depth < 0 ? depth : depth + 1;
        size_t n = 0;
        struct rows w ROWS_CLEANUP = rows_of(r, v);
        buf_addc(out, '[');
        while (rows_next(&w)) {
                buf_adds(out, n++ ? "," : "");
                add_break(inner, out);
                add_json(r, &w.row, inner, out);
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
                add_json(r, m, inner, out);
        }
        if (v->first)
                add_break(depth, out);
        buf_addc(out, '}');
}

static void add_json(struct rendering *r, const struct json_node *v, int depth, struct buf *out)
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

void value_text(struct rendering *r, const struct json_node *v, const struct words *w,
                struct buf *out)
{
        if (!v || v->kind == JSON_NULL_VALUE) {
                buf_adds(out, w->null);
        } else if (v->kind == JSON_TEXT || v->kind == JSON_NUMBER) {
                buf_add_span(out, v->text);
        } else if (v->kind == JSON_YES || v->kind == JSON_NO) {
                buf_adds(out, v->kind == JSON_YES ? w->yes : w->no);
        } else if (v->kind == JSON_LIST && !report_is_table(v)) {
                struct rows list ROWS_CLEANUP = rows_of(r, v);
                for (size_t i = 0; rows_next(&list); i++) {
                        buf_adds(out, i ? w->between : "");
                        value_text(r, &list.row, w, out);
                }
        } else {
                add_json(r, v, -1, out);
        }
}

/* ---- the whole ---- */

static int render(struct rendering *r, const char *title, enum report_format f)
{
        struct arena *a CLEANUP(arena_cleanup) = arena_new(ROW_MAX);
        struct json_node document;
        if (!a)
                return err_oom(r->err);
        if (json_document(r->text, a, &document, r->err) < 0)
                return -1;
        if (f == REPORT_TABLE) {
                table_render(r, title, &document);
        } else if (f == REPORT_CSV) {
                csv_render(r, &document);
        } else {
                add_json(r, &document, 0, r->out);
                buf_addc(r->out, '\n');
        }
        if (r->broken)
                return -1;
        if (r->out->failed)
                return r->out->oom ? err_oom(r->err)
                                   : err_set(r->err, ERR_INPUT, "", "%s than %zu bytes as %s",
                                             r->fd < 0 ? "the report is larger" : "a row is larger",
                                             r->out->max, report_format_name(f));
        if (r->fd >= 0)
                flush(r);
        return r->broken ? -1 : 0;
}

int report_render(const char *title, struct span json, enum report_format f, struct buf *out,
                  struct err *e)
{
        struct json_text text;
        json_text_memory(&text, json);
        struct rendering r = { .text = &text, .out = out, .fd = -1, .err = e };
        return render(&r, title, f);
}

int report_render_file(const char *title, int document, enum report_format f, int fd, struct err *e)
{
        CLEANUP(json_text_deinit) struct json_text text;
        BUF_CLEANUP struct buf out = { .max = OUT_MAX };
        if (json_text_file(&text, document, e) < 0)
                return -1;
        struct rendering r = { .text = &text, .out = &out, .fd = fd, .err = e };
        return render(&r, title, f);
}

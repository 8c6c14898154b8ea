#include "report/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* PostgreSQL's numerics arrive as texts of at most 15 significant digits, which a double returns unchanged. */
#define NUMBERS JSON_REAL_PRECISION(15)

static const char *const format_names[] = { [REPORT_TABLE] = "table", [REPORT_JSON] = "json", [REPORT_CSV] = "csv" };

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

bool report_is_table(const json_t *array)
{
        size_t n = json_array_size(array);
        for (size_t i = 0; i < n; i++)
                if (json_is_object(json_array_get(array, i)))
                        return true;
        return json_is_array(array) && n == 0;
}

/* Most rows have the keys of the first, in its order: the search starts where the last one was found. */
static int add_column(struct columns *c, size_t *cap, size_t *at, const char *name)
{
        for (size_t i = 0; i < c->n; i++) {
                size_t k = (*at + i) % c->n;
                if (strcmp(c->names[k], name) == 0) {
                        *at = k + 1;
                        return 0;
                }
        }
        if (c->n == *cap) {
                size_t bigger = *cap ? *cap * 2 : 16;
                const char **names = realloc(c->names, bigger * sizeof *names);
                if (!names)
                        return -1;
                c->names = names;
                *cap = bigger;
        }
        c->names[c->n++] = name;
        *at = c->n;
        return 0;
}

int columns_of(const json_t *array, struct columns *ret, struct err *e)
{
        struct columns c = { 0 };
        size_t cap = 0;
        int rc = 0;
        for (size_t i = 0, n = json_array_size(array); i < n && rc == 0; i++) {
                json_t *element = json_array_get(array, i);
                size_t at = 0;
                if (!json_is_object(element)) {
                        rc = add_column(&c, &cap, &at, "value");
                        continue;
                }
                for (void *it = json_object_iter(element); it && rc == 0; it = json_object_iter_next(element, it))
                        rc = add_column(&c, &cap, &at, json_object_iter_key(it));
        }
        if (rc < 0) {
                columns_deinit(&c);
                return err_oom(e);
        }
        *ret = c;
        return 0;
}

void columns_deinit(struct columns *c)
{
        free(c->names);
        *c = (struct columns){ 0 };
}

const json_t *cell_of(const json_t *element, const char *column)
{
        if (json_is_object(element))
                return json_object_get(element, column);
        return strcmp(column, "value") == 0 ? element : NULL;
}

static int dump_to(const char *data, size_t len, void *ctx)
{
        buf_add(ctx, data, len);
        return 0;
}

static void add_json(const json_t *v, size_t flags, struct buf *out)
{
        if (json_dump_callback(v, dump_to, out, flags | NUMBERS | JSON_ENCODE_ANY) < 0)
                out->failed = true;
}

void value_text(const json_t *v, const struct words *w, struct buf *out)
{
        if (!v || json_is_null(v)) {
                buf_adds(out, w->null);
        } else if (json_is_string(v)) {
                buf_add(out, json_string_value(v), json_string_length(v));
        } else if (json_is_boolean(v)) {
                buf_adds(out, json_is_true(v) ? w->yes : w->no);
        } else if (json_is_array(v) && !report_is_table(v)) {
                for (size_t i = 0, n = json_array_size(v); i < n; i++) {
                        if (i)
                                buf_adds(out, w->between);
                        value_text(json_array_get(v, i), w, out);
                }
        } else {
                add_json(v, JSON_COMPACT, out);
        }
}

int report_render(const char *title, struct span json, enum report_format f, struct buf *out, struct err *e)
{
        json_error_t why;
        json_t *document = json_loadb(json.ptr ? json.ptr : "", json.len, 0, &why);
        if (!document && json_error_code(&why) == json_error_out_of_memory)
                return err_oom(e);
        if (!document)
                return err_set(e, ERR_POISON, "", "the report is no JSON object or array: %s, line %d", why.text, why.line);
        int rc = 0;
        if (f == REPORT_TABLE) {
                rc = table_render(title, document, out, e);
        } else if (f == REPORT_CSV) {
                rc = csv_render(document, out, e);
        } else {
                add_json(document, JSON_INDENT(2), out);
                buf_addc(out, '\n');
        }
        json_decref(document);
        if (rc == 0 && out->failed)
                rc = out->starved ? err_oom(e) : err_set(e, ERR_POISON, "", "the report is larger than %zu bytes as %s", out->max, report_format_name(f));
        return rc;
}

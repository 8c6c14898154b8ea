/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, JSON, and single lines of what commands print. */
#include "output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 4096 };

void table_init(struct table *t, const char *const *heads)
{
        *t = (struct table){ .heads = heads };
        while (heads[t->columns])
                t->columns++;
}

void table_deinit(struct table *t)
{
        for (size_t i = 0; i < t->n; i++)
                free(t->cells[i]);
        free(t->cells);
        *t = (struct table){ 0 };
}

static char *clean(const char *text)
{
        char *s = strndup(text, CELL_MAX);
        for (char *p = s; p && *p; p++)
                if ((unsigned char)*p < ' ' || *p == 0x7f)
                        *p = ' ';
        return s;
}

void table_add(struct table *t, const char *cell)
{
        if (t->n == t->cap) {
                size_t cap = t->cap ? t->cap * 2 : 64;
                char **cells = reallocarray(t->cells, cap, sizeof *cells);
                if (!cells) {
                        t->failed = true;
                        return;
                }
                t->cells = cells;
                t->cap = cap;
        }
        t->cells[t->n] = clean(cell ? cell : "");
        if (t->cells[t->n])
                t->n++;
        else
                t->failed = true;
}

void table_addf(struct table *t, const char *fmt, ...)
{
        char text[CELL_MAX];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        table_add(t, text);
}

/* Characters, not bytes: names have accents. */
static size_t width(const char *s)
{
        size_t n = 0;
        for (; *s; s++)
                n += ((unsigned char)*s & 0xc0) != 0x80;
        return n;
}

static bool numeric(const struct table *t, size_t column)
{
        bool any = false;
        for (size_t i = column; i < t->n; i += t->columns) {
                if (t->cells[i][strspn(t->cells[i], "0123456789")])
                        return false;
                any = any || *t->cells[i];
        }
        return any;
}

static const char *color_of(const char *word)
{
        static const struct {
                const char *word, *color;
        } colors[] = {
                { "ok", "32" },
                { "succeeded", "32" },
                { "applied", "32" },
                { "FAIL", "1;31" },
                { "failed", "31" },
                { "unknown", "31" },
                { "quarantined", "31" },
                { "refused", "33" },
                { "cancelled", "33" },
                { "skipped", "33" },
                { "suspended", "33" },
                { "missing", "31" },
                { "no", "31" },
                { "not reachable", "31" },
                { "alive", "32" },
                { "leading", "32" },
                { "gone", "31" },
                { "partly gone", "31" },
                { "completed with errors", "31" },
                { "held for review", "33" },
                { "MORE ROWS THAN TASKS", "1;31" },
        };
        for (size_t i = 0; i < ARRAY_LEN(colors); i++)
                if (strcmp(word, colors[i].word) == 0)
                        return colors[i].color;
        return NULL;
}

static void print_cell(const struct cli *c, const char *text, size_t wide, bool right, bool last,
                       const char *color)
{
        size_t pad = wide - width(text);
        if (right)
                printf("%*s", (int)pad, "");
        if (c->color && color)
                printf("\033[%sm%s\033[0m", color, text);
        else
                fputs(text, stdout);
        if (!last)
                printf("%*s", (int)(right ? 2 : pad + 2), "");
}

void table_print(const struct cli *c, const struct table *t)
{
        size_t wide[32];
        bool right[32];
        for (size_t k = 0; k < t->columns && k < ARRAY_LEN(wide); k++) {
                wide[k] = width(t->heads[k]);
                right[k] = numeric(t, k);
                for (size_t i = k; i < t->n; i += t->columns)
                        if (width(t->cells[i]) > wide[k])
                                wide[k] = width(t->cells[i]);
        }
        for (size_t k = 0; k < t->columns; k++)
                print_cell(c, t->heads[k], wide[k], right[k], k + 1 == t->columns, "1");
        putchar('\n');
        for (size_t i = 0; t->columns && i < t->n; i++) {
                size_t k = i % t->columns;
                print_cell(c, t->cells[i], wide[k], right[k], k + 1 == t->columns,
                           color_of(t->cells[i]));
                if (k + 1 == t->columns)
                        putchar('\n');
        }
}

const char *word_colored(const struct cli *c, const char *word)
{
        static char texts[4][64];
        static unsigned next;
        const char *color = c->color ? color_of(word) : NULL;
        if (!color)
                return word;
        char *text = texts[next++ % ARRAY_LEN(texts)];
        snprintf(text, sizeof texts[0], "\033[%sm%s\033[0m", color, word);
        return text;
}

void print_title(const struct cli *c, const char *title)
{
        printf(c->color ? "\033[1m%s\033[0m\n" : "%s\n", title);
}

void print_clean(FILE *to, const char *text)
{
        char *s CLEANUP(cleanup_free) = clean(text);
        fputs(s ? s : "", to);
}

json_t *json_span(struct span s)
{
        json_t *v = s.ptr ? json_stringn(s.ptr, s.len) : NULL;
        return v ? v : json_null();
}

json_t *json_instant(instant t)
{
        char text[INSTANT_TEXT_MAX];
        if (t == INSTANT_NONE)
                return json_null();
        instant_format(t, text);
        return json_string(text);
}

static json_t *json_cell(const struct db_result *r, int row, int col)
{
        static const char *const as_is[] = { "int2",  "int4",   "int8",  "json",
                                             "jsonb", "float4", "float8" };
        const char *type = db_column_type(r, col);
        struct span s = db_span(r, row, col);
        if (!s.ptr)
                return json_null();
        if (strcmp(type, "bool") == 0)
                return json_boolean(db_bool(r, row, col));
        if (strcmp(type, "timestamptz") == 0 && db_instant(r, row, col) != INSTANT_NONE)
                return json_instant(db_instant(r, row, col));
        for (size_t i = 0; i < ARRAY_LEN(as_is); i++)
                if (strcmp(type, as_is[i]) == 0) {
                        json_t *v = json_loadb(s.ptr, s.len, JSON_DECODE_ANY, NULL);
                        return v ? v : json_span(s);
                }
        return json_span(s);
}

json_t *json_row(const struct db_result *r, int row)
{
        json_t *object = json_object();
        for (int col = 0; col < db_columns(r); col++)
                json_object_set_new(object, db_column_name(r, col), json_cell(r, row, col));
        return object;
}

json_t *json_rows(const struct db_result *r)
{
        json_t *list = json_array();
        for (int row = 0; row < db_rows(r); row++)
                json_array_append_new(list, json_row(r, row));
        return list;
}

static void add_cell(struct table *t, const struct db_result *r, int row, int col)
{
        const char *type = db_column_type(r, col);
        char text[INSTANT_TEXT_MAX];
        if (strcmp(type, "timestamptz") == 0) {
                format_instant(NULL, db_instant(r, row, col), text);
                table_add(t, text);
        } else if (strcmp(type, "bool") == 0) {
                table_add(t, db_bool(r, row, col) ? "yes" : "");
        } else {
                table_add(t, db_str(r, row, col));
        }
}

void rows_print(const struct cli *c, const char *const *heads, const int *columns,
                const struct db_result *r)
{
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        for (int row = 0; row < db_rows(r); row++)
                for (int k = 0; heads[k]; k++)
                        add_cell(&t, r, row, columns[k]);
        table_print(c, &t);
}

static int print_value(json_t *value, size_t flags)
{
        int rc = value ? json_dumpf(value, stdout, flags) : -1;
        json_decref(value);
        if (rc < 0)
                return cli_oom();
        putchar('\n');
        return 0;
}

int print_json(json_t *value)
{
        return print_value(value, JSON_INDENT(2));
}

int print_json_line(json_t *value)
{
        int rc = print_value(value, JSON_COMPACT);
        if (rc == 0 && fflush(stdout) != 0)
                rc = CODE_FAILED; /* the reader has gone: no more is wanted */
        return rc;
}

void format_instant(const struct zone *z, instant t, char text[INSTANT_TEXT_MAX])
{
        *text = '\0';
        if (t == INSTANT_NONE)
                return;
        t -= ((t % INSTANT_SECOND) + INSTANT_SECOND) % INSTANT_SECOND;
        if (z)
                zone_format(z, t, text);
        else
                instant_format(t, text);
}

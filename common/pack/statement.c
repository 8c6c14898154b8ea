/* SPDX-License-Identifier: Apache-2.0 */
/* SQL with :names, turned into numbered parameters of declared types. */
#include "pack/statement.h"

#include "base/arena.h"
#include "time/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_MAX = 1024 * 1024, NAMES_MAX = 256 };

static const struct {
        const char *name, *type;
} engine_names[] = {
        { "now", "timestamptz" }, { "today", "date" },  { "time_zone", "text" },
        { "actor", "text" },      { "run_id", "uuid" }, { "dry_run", "boolean" },
};

/* The SQL type behind a name and the name's lasting copy; NULL: unknown. */
static const char *type_of(struct span name, const struct pack *p, const struct parameter *extra,
                           size_t n_extra, const char **ret_name)
{
        for (size_t i = 0; i < ARRAY_LEN(engine_names); i++)
                if (span_is(name, engine_names[i].name)) {
                        *ret_name = engine_names[i].name;
                        return engine_names[i].type;
                }
        for (size_t i = 0; i < n_extra; i++)
                if (span_is(name, extra[i].name)) {
                        *ret_name = extra[i].name;
                        return value_sql_type(extra[i].type);
                }
        const struct parameter *d = pack_setting(p, name);
        if (!d)
                return NULL;
        *ret_name = d->name;
        return value_sql_type(d->type);
}

/* ---- the lexer: how far a piece reaches in which nothing is replaced ---- */

static const char *skip_quoted(const char *p, char quote, bool backslash)
{
        for (p++; *p; p++) {
                if (backslash && *p == '\\' && p[1])
                        p++;
                else if (*p == quote && p[1] == quote)
                        p++;
                else if (*p == quote)
                        return p + 1;
        }
        return p;
}

static const char *skip_comment(const char *p)
{
        int depth = 0;
        do {
                if (p[0] == '/' && p[1] == '*') {
                        depth++;
                        p += 2;
                } else if (p[0] == '*' && p[1] == '/') {
                        depth--;
                        p += 2;
                } else {
                        p++;
                }
        } while (depth && *p);
        return p;
}

static bool word(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
}

static const char *skip_dollar(const char *p)
{
        const char *tag_end = p + 1;
        while (word(*tag_end))
                tag_end++;
        if (*tag_end != '$')
                return p + 1;
        size_t len = (size_t)(tag_end + 1 - p);
        for (const char *q = tag_end + 1; *q; q++)
                if (strncmp(q, p, len) == 0)
                        return q + len;
        return p + strlen(p);
}

const char *sql_skip(const char *start, const char *p)
{
        switch (*p) {
        case '\'':
                return skip_quoted(p, '\'',
                                   p > start && (p[-1] == 'E' || p[-1] == 'e') &&
                                           (p - 1 == start || !word(p[-2])));
        case '"':
                return skip_quoted(p, '"', false);
        case '-':
                return p[1] == '-' ? p + strcspn(p, "\n") : p + 1;
        case '/':
                return p[1] == '*' ? skip_comment(p) : p + 1;
        case '$':
                return p > start && word(p[-1]) ? p + 1 : skip_dollar(p);
        case ':':
                return p[1] == ':' ? p + 2 : p + 1;
        default:
                return p + 1;
        }
}

int sql_line(const char *start, const char *p)
{
        int line = 1;
        for (; start < p; start++)
                line += *start == '\n';
        return line;
}

/* The number of `name` in b->names, added when it is new; -1 when there are too many. */
static int number_of(struct bound_sql *b, const char *name)
{
        for (size_t i = 0; i < b->n_names; i++)
                if (strcmp(b->names[i], name) == 0)
                        return b->first + (int)i;
        if (b->n_names == NAMES_MAX)
                return -1;
        b->names[b->n_names] = name;
        return b->first + (int)b->n_names++;
}

/* Does a :name begin here? It is given without the colon; else its length is 0. */
static struct span name_at(const char *at)
{
        struct span name = { at + 1, 0 };
        if (at[0] == ':' && at[1] != ':' && !(at[1] >= '0' && at[1] <= '9'))
                while (word(name.ptr[name.len]))
                        name.len++;
        return name;
}

bool sql_names(const struct sql_file *f, const char *name)
{
        for (const char *at = f->text; at && *at;) {
                struct span found = name_at(at);
                if (found.len && span_is(found, name))
                        return true;
                at = found.len ? found.ptr + found.len : sql_skip(f->text, at);
        }
        return false;
}

static void add_parameter(const struct pack *p, bool own_time, const char *name, const char *type,
                          int number, struct buf *out)
{
        if (own_time && strcmp(name, "now") == 0)
                buf_addf(out, "(coalesce($%d::timestamptz, now()))", number);
        else if (own_time && strcmp(name, "today") == 0) /* zone names have no quotes */
                buf_addf(out, "(coalesce($%d::date, (now() at time zone '%s')::date))", number,
                         p->time_zone);
        else
                buf_addf(out, "($%d::%s)", number, type);
}

static int bind(const struct sql_file *f, const struct pack *p, const struct parameter *extra,
                size_t n_extra, int first, bool own_time, struct bound_sql *ret, struct err *e)
{
        BUF_CLEANUP struct buf out;
        buf_init(&out, SQL_MAX);
        struct bound_sql b = { .first = first, .names = calloc(NAMES_MAX, sizeof *b.names) };
        if (!b.names)
                return err_oom(e);
        for (const char *at = f->text; *at;) {
                struct span name = name_at(at);
                if (name.len == 0) {
                        const char *next = sql_skip(f->text, at);
                        buf_add(&out, at, (size_t)(next - at));
                        at = next;
                        continue;
                }
                const char *lasting = NULL, *type = type_of(name, p, extra, n_extra, &lasting);
                int number = type ? number_of(&b, lasting) : 0;
                if (!type || number < 0) {
                        bound_sql_deinit(&b);
                        return err_set(e, ERR_FATAL, "",
                                       "%s:%d: :%.*s is neither a setting of pack %s nor one of "
                                       ":now :today :time_zone :actor :run_id :dry_run",
                                       f->path, sql_line(f->text, at), SPAN_FMT(name), p->name);
                }
                add_parameter(p, own_time, lasting, type, number, &out);
                at = name.ptr + name.len;
        }
        b.text = out.failed ? NULL : strdup(buf_str(&out));
        if (!b.text) {
                bound_sql_deinit(&b);
                return out.failed && !out.oom
                               ? err_set(e, ERR_FATAL, "", "%s: longer than %d bytes", f->path,
                                         SQL_MAX)
                               : err_oom(e);
        }
        *ret = b;
        return 0;
}

int sql_bind(const struct sql_file *f, const struct pack *p, const struct parameter *extra,
             size_t n_extra, int first, struct bound_sql *ret, struct err *e)
{
        return bind(f, p, extra, n_extra, first, false, ret, e);
}

int sql_bind_own_time(const struct sql_file *f, const struct pack *p, const struct parameter *extra,
                      size_t n_extra, int first, struct bound_sql *ret, struct err *e)
{
        return bind(f, p, extra, n_extra, first, true, ret, e);
}

void bound_sql_deinit(struct bound_sql *b)
{
        free(b->text);
        free(b->names);
        *b = (struct bound_sql){ 0 };
}

/* ---- values ---- */

static void add_today(const struct run_values *v, struct db_params *p)
{
        if (v->now == INSTANT_NONE) {
                db_add_null(p);
                return;
        }
        int64_t local = v->now / INSTANT_SECOND + zone_offset(v->pack->zone, v->now);
        int64_t days = (local >= 0 ? local : local - 86399) / 86400;
        int y, m, d;
        char text[16];
        civil_from_days(days, &y, &m, &d);
        snprintf(text, sizeof text, "%04d-%02d-%02d", y, m, d);
        db_add_str(p, text);
}

static bool add_engine_value(const char *name, const struct run_values *v, struct db_params *p)
{
        if (strcmp(name, "now") == 0)
                db_add_instant(p, v->now);
        else if (strcmp(name, "today") == 0)
                add_today(v, p);
        else if (strcmp(name, "time_zone") == 0)
                db_add_str(p, v->pack->time_zone);
        else if (strcmp(name, "actor") == 0)
                db_add_str(p, v->actor);
        else if (strcmp(name, "run_id") == 0 && uuid_is_nil(v->run_id))
                db_add_null(p);
        else if (strcmp(name, "run_id") == 0)
                db_add_uuid(p, v->run_id);
        else if (strcmp(name, "dry_run") == 0)
                db_add_bool(p, v->dry_run);
        else
                return false;
        return true;
}

static const char *find(const struct setting_value *list, size_t n, const char *name, bool *found)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(list[i].name, name) == 0) {
                        *found = true;
                        return list[i].value;
                }
        return NULL;
}

int sql_add_values(const struct bound_sql *b, const struct run_values *v, struct db_params *p,
                   struct err *e)
{
        for (size_t i = 0; i < b->n_names; i++) {
                const char *name = b->names[i];
                bool found = false;
                if (add_engine_value(name, v, p))
                        continue;
                const char *value = find(v->parameters, v->n_parameters, name, &found);
                if (!found && strcmp(name, "subject") == 0 && v->subject) {
                        value = v->subject;
                        found = true;
                }
                if (!found)
                        value = find(v->settings, v->n_settings, name, &found);
                if (!found)
                        return err_set(e, ERR_FATAL, "", "no value for :%s", name);
                db_add_str(p, value);
        }
        return 0;
}

static int set_value(const struct pack *p, struct setting_value *list, struct setting_value given,
                     struct arena *a, struct err *e)
{
        const struct parameter *d = pack_setting(p, span_of(given.name));
        if (!d)
                return err_set(e, ERR_INPUT, "", "pack %s has no setting \"%s\"", p->name,
                               given.name);
        if (parameter_check(d, span_of(given.value), e) < 0)
                return -1;
        char *copy = arena_strndup(a, given.value, strlen(given.value));
        if (!copy)
                return err_oom(e);
        list[d - p->settings].value = copy;
        return 0;
}

int settings_resolve(const struct pack *p, const struct job *j, const struct setting_value *given,
                     size_t n_given, struct arena *a, struct setting_value **ret, size_t *ret_n,
                     struct err *e)
{
        struct setting_value *list = arena_alloc(a, (p->n_settings + 1) * sizeof *list);
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < p->n_settings; i++)
                list[i] = (struct setting_value){ p->settings[i].name,
                                                  p->settings[i].default_value };
        for (size_t i = 0; j && i < j->n_settings; i++)
                if (set_value(p, list, j->settings[i], a, e) < 0)
                        return -1;
        for (size_t i = 0; i < n_given; i++) {
                const struct parameter *d = pack_setting(p, span_of(given[i].name));
                if (d && d->locked)
                        return err_set(e, ERR_INPUT, "",
                                       "the setting \"%s\" is locked: a run cannot change it, only "
                                       "the service's configuration can",
                                       d->name);
                if (set_value(p, list, given[i], a, e) < 0)
                        return -1;
        }
        *ret = list;
        *ret_n = p->n_settings;
        return 0;
}

size_t sql_fault_line(const char *statement, const struct err *e)
{
        static const char mark[] = ", at character ";
        const char *at = strstr(e->text, mark);
        long position = at ? strtol(at + sizeof mark - 1, NULL, 10) : 0;
        size_t line = 1;
        for (const char *s = statement; position > 1 && *s; s++) {
                if (((unsigned char)*s & 0xc0) != 0x80) /* PostgreSQL counts characters */
                        position--;
                line += *s == '\n';
        }
        return at ? line : 0;
}

void sql_where(const struct sql_file *f, const char *statement, size_t before, const struct err *e,
               char *ret, size_t size)
{
        size_t line = sql_fault_line(statement, e);
        if (line > before)
                snprintf(ret, size, "%s:%zu", f->path, line - before);
        else
                snprintf(ret, size, "%s", f->path);
}

int settings_kept(const struct pack *p, const struct setting_value *kept, size_t n, struct arena *a,
                  struct setting_value **ret, size_t *ret_n, struct err *e)
{
        struct setting_value *list = arena_alloc(a, (p->n_settings + 1) * sizeof *list);
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < p->n_settings; i++) {
                bool found = false;
                const char *value = find(kept, n, p->settings[i].name, &found);
                list[i] = (struct setting_value){ p->settings[i].name,
                                                  found ? value : p->settings[i].default_value };
        }
        *ret = list;
        *ret_n = p->n_settings;
        return 0;
}

int pack_search_path(struct db *d, const struct pack *p, bool local, struct err *e)
{
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(4096);
        if (!q)
                return err_oom(e);
        db_add_str(q, p->search_path);
        db_add_bool(q, local);
        return db_query(d, "select set_config('search_path', $1, $2)", q, NULL, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A statement described by PostgreSQL, and its columns against what is expected of them. */
#include "check_columns.h"

#include "pack/statement.h"

#include <string.h>

bool column_is_text(const char *type)
{
        return strcmp(type, "text") == 0 || strcmp(type, "varchar") == 0 ||
               strcmp(type, "bpchar") == 0 || strcmp(type, "unknown") == 0;
}

bool column_is_texts(const char *type)
{
        return strcmp(type, "text[]") == 0 || strcmp(type, "varchar[]") == 0;
}

bool column_is_json(const char *type)
{
        return strcmp(type, "json") == 0 || strcmp(type, "jsonb") == 0;
}

bool column_is_number(const char *type)
{
        return strcmp(type, "int2") == 0 || strcmp(type, "int4") == 0 || strcmp(type, "int8") == 0;
}

bool column_is_bool(const char *type)
{
        return strcmp(type, "bool") == 0;
}

bool column_is_body(const char *type)
{
        return column_is_json(type) || column_is_text(type);
}

bool column_is_any(const char *type)
{
        (void)type;
        return true;
}

static bool is_subject(const char *type, enum value_type wanted)
{
        switch (wanted) {
        case VALUE_INTEGER:
                return strcmp(type, "int8") == 0 || strcmp(type, "int4") == 0 ||
                       strcmp(type, "int2") == 0;
        case VALUE_UUID:
                return strcmp(type, "uuid") == 0;
        default:
                return column_is_text(type);
        }
}

/* The result's columns in `ret`, or a finding and NULL. */
struct db_result *check_describe(struct check *k, struct db *d, const struct statement *s)
{
        struct err e = ERR_INIT;
        struct db_result *r = NULL;
        char name[32], where[400];
        snprintf(name, sizeof name, "check_%zu_%zu", k->passed, k->failed);
        int rc = db_exec(d, "begin", &e);
        if (rc == 0 && (rc = pack_search_path(d, s->pack, true, &e)) == 0 &&
            (rc = db_prepare(d, name, s->text, &e)) == 0)
                rc = db_describe(d, name, &r, &e);
        if (rc < 0) {
                sql_where(s->file, s->text, 0, &e, where, sizeof where);
                check_fail(k, s->what, where, "%s", e.text);
        }
        if (db_alive(d) && db_exec(d, "rollback", &e) < 0 && rc == 0)
                check_fail(k, s->what, s->file->path, "%s", e.text);
        return r;
}

/* false after a finding. */
bool check_columns(struct check *k, const struct statement *s, const struct db_result *r,
                   const struct wanted *list, size_t n)
{
        bool good = true;
        for (size_t i = 0; i < n; i++) {
                int col = db_column(r, list[i].name);
                if (col < 0 && list[i].required)
                        check_fail(k, s->what, s->file->path, "column \"%s\" (%s) is missing",
                                   list[i].name, list[i].expected);
                else if (col >= 0 && !list[i].fits(db_column_type(r, col)))
                        check_fail(k, s->what, s->file->path, "column \"%s\" is %s, expected is %s",
                                   list[i].name, db_column_type(r, col), list[i].expected);
                else
                        continue;
                good = false;
        }
        return good;
}

bool check_subject(struct check *k, const struct statement *s, const struct db_result *r,
                   enum value_type type)
{
        int col = db_column(r, "subject");
        if (col >= 0 && is_subject(db_column_type(r, col), type))
                return true;
        if (col < 0)
                check_fail(k, s->what, s->file->path, "column \"subject\" (%s) is missing",
                           value_sql_type(type));
        else
                check_fail(k, s->what, s->file->path,
                           "column \"subject\" is %s, the pack's subject_type is %s",
                           db_column_type(r, col), value_sql_type(type));
        return false;
}

bool check_doubled(struct check *k, const struct statement *s, const struct db_result *r)
{
        const char *name = db_column_doubled(r);
        if (name)
                check_fail(k, s->what, s->file->path, "it has the column \"%s\" twice", name);
        return !name;
}

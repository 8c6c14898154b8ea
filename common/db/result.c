/* SPDX-License-Identifier: Apache-2.0 */
/* Reading rows of a result. */
#include "db/db.h"

#include "db/internal.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A db_result is libpq's own result under another name: no allocation of ours per query. */
static PGresult *pg(const struct db_result *r)
{
        union {
                const struct db_result *ours;
                PGresult *theirs;
        } u = { .ours = r };
        return u.theirs;
}

static uint32_t be32_at(const char *p)
{
        uint32_t v;
        memcpy(&v, p, sizeof v);
        return be32toh(v);
}

void db_result_free(struct db_result *r)
{
        PQclear(pg(r));
}

size_t db_result_bytes(const struct db_result *r)
{
        return PQresultMemorySize(pg(r));
}

int db_rows(const struct db_result *r)
{
        return PQntuples(pg(r));
}

int db_columns(const struct db_result *r)
{
        return PQnfields(pg(r));
}

const char *db_column_name(const struct db_result *r, int col)
{
        return PQfname(pg(r), col);
}

int db_column(const struct db_result *r, const char *name)
{
        for (int i = 0; i < PQnfields(pg(r)); i++)
                if (strcmp(PQfname(pg(r), i), name) == 0)
                        return i;
        return -1;
}

const char *db_column_doubled(const struct db_result *r)
{
        for (int i = 0; i < PQnfields(pg(r)); i++)
                if (db_column(r, PQfname(pg(r), i)) != i)
                        return PQfname(pg(r), i);
        return NULL;
}

int64_t db_affected(const struct db_result *r)
{
        return strtoll(PQcmdTuples(pg(r)), NULL, 10);
}

bool db_null(const struct db_result *r, int row, int col)
{
        return PQgetisnull(pg(r), row, col);
}

struct span db_span(const struct db_result *r, int row, int col)
{
        if (PQgetisnull(pg(r), row, col))
                return (struct span){ 0 };
        return (struct span){ PQgetvalue(pg(r), row, col), (size_t)PQgetlength(pg(r), row, col) };
}

const char *db_str(const struct db_result *r, int row, int col)
{
        return PQgetvalue(pg(r), row, col);
}

int64_t db_int(const struct db_result *r, int row, int col)
{
        return strtoll(PQgetvalue(pg(r), row, col), NULL, 10);
}

bool db_bool(const struct db_result *r, int row, int col)
{
        return PQgetvalue(pg(r), row, col)[0] == 't';
}

instant db_instant(const struct db_result *r, int row, int col)
{
        const char *s = PQgetvalue(pg(r), row, col);
        char text[INSTANT_TEXT_MAX];
        int len = (int)strlen(s);
        /* ISO style prints an offset of whole hours as "+00"; it is not always UTC's where a pack's
         * function sets a zone. */
        bool hours = len > 3 && (s[len - 3] == '+' || s[len - 3] == '-');
        int n = snprintf(text, sizeof text, "%s%s", s, hours ? ":00" : "");
        instant t;
        return n > 0 && n < (int)sizeof text && instant_parse(text, (size_t)n, &t) ? t
                                                                                   : INSTANT_NONE;
}

struct uuid db_uuid(const struct db_result *r, int row, int col)
{
        struct uuid u = { { 0 } };
        struct span s = db_span(r, row, col);
        if (!s.ptr || !uuid_parse(s.ptr, s.len, &u))
                return (struct uuid){ { 0 } };
        return u;
}

/* PostgreSQL's array_send: dimensions, flags, element type; of each dimension its size and lower
 * bound; of each element its length, or -1, and its bytes. */
struct db_texts db_texts(const struct db_result *r, int row, int col)
{
        enum { HEAD = 12, DIMENSION = 8 };
        struct span s = db_span(r, row, col);
        if (s.len < HEAD + DIMENSION || be32_at(s.ptr) != 1)
                return (struct db_texts){ 0 };
        return (struct db_texts){ s.ptr + HEAD + DIMENSION, s.len - HEAD - DIMENSION,
                                  be32_at(s.ptr + HEAD) };
}

bool db_texts_next(struct db_texts *t, struct span *ret)
{
        enum { LENGTH = 4 };
        if (t->n == 0 || t->len < LENGTH)
                return false;
        uint32_t len = be32_at(t->at);
        bool null = len == UINT32_MAX;
        if (null)
                len = 0;
        if (t->len - LENGTH < len)
                return false;
        *ret = (struct span){ null ? NULL : t->at + LENGTH, len };
        t->at += LENGTH + len;
        t->len -= LENGTH + len;
        t->n--;
        return true;
}

const char *db_column_type(const struct db_result *r, int col)
{
        static const struct {
                Oid oid;
                const char *name;
        } names[] = {
                { 16, "bool" },        { 17, "bytea" },         { 20, "int8" },
                { 21, "int2" },        { 23, "int4" },          { 25, "text" },
                { 114, "json" },       { 700, "float4" },       { 701, "float8" },
                { 705, "unknown" },    { 1009, "text[]" },      { 1015, "varchar[]" },
                { 1042, "bpchar" },    { 1043, "varchar" },     { 1082, "date" },
                { 1114, "timestamp" }, { 1184, "timestamptz" }, { 1186, "interval" },
                { 1700, "numeric" },   { 2950, "uuid" },        { 3802, "jsonb" },
        };
        Oid oid = PQftype(pg(r), col);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (names[i].oid == oid)
                        return names[i].name;
        return "another type";
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters in the binary form that libpq sends. */
#include "db/params.h"

#include "db/internal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* Type oids of PostgreSQL's catalog (pg_type.dat); they never change. */
enum {
        OID_BOOL = 16,
        OID_BYTEA = 17,
        OID_INT8 = 20,
        OID_INT2 = 21,
        OID_INT4 = 23,
        OID_TEXT = 25,
        OID_TIMESTAMPTZ = 1184,
        OID_UUID = 2950,
};

static const struct {
        Oid element, array;
} oids[] = {
        [DB_INT2] = { OID_INT2, 1005 },   [DB_INT4] = { OID_INT4, 1007 },
        [DB_INT8] = { OID_INT8, 1016 },   [DB_BOOL] = { OID_BOOL, 1000 },
        [DB_TEXT] = { OID_TEXT, 1009 },   [DB_UUID] = { OID_UUID, 2951 },
        [DB_BYTEA] = { OID_BYTEA, 1001 }, [DB_TIMESTAMPTZ] = { OID_TIMESTAMPTZ, 1185 },
};

enum { KEPT_MAX = 4 * 1024 * 1024 };

/* PostgreSQL counts microseconds from 2000-01-01. */
#define PG_EPOCH (INT64_C(946684800) * INSTANT_SECOND)

struct db_params *db_params_new(size_t max_bytes)
{
        struct db_params *p = calloc(1, sizeof *p);
        if (p)
                buf_init(&p->data, max_bytes);
        return p;
}

void db_params_free(struct db_params *p)
{
        if (!p)
                return;
        buf_deinit(&p->data);
        free(p->list);
        free(p->values);
        free(p->lengths);
        free(p->formats);
        free(p->types);
        free(p);
}

void db_params_reset(struct db_params *p)
{
        if (p->data.cap > KEPT_MAX) /* what a large batch took is given back */
                buf_deinit(&p->data);
        buf_reset(&p->data);
        p->n = 0;
        p->failed = false;
}

size_t db_params_count(const struct db_params *p)
{
        return p->n;
}

static struct param *add(struct db_params *p, Oid type, int format)
{
        if (p->n == p->cap) {
                size_t cap = p->cap ? p->cap * 2 : 16;
                struct param *list = realloc(p->list, cap * sizeof *list);
                if (!list) {
                        p->failed = true;
                        return NULL;
                }
                p->list = list;
                p->cap = cap;
        }
        struct param *q = &p->list[p->n++];
        *q = (struct param){ .type = type, .format = format, .at = p->data.len };
        return q;
}

static void add_value(struct db_params *p, Oid type, int format, const void *data, size_t len)
{
        struct param *q = add(p, type, format);
        if (!q)
                return;
        q->len = len;
        buf_add(&p->data, data, len);
        buf_addc(&p->data, '\0'); /* texts must end in NUL */
}

void db_add_null(struct db_params *p)
{
        struct param *q = add(p, 0, 0);
        if (q)
                q->null = true;
}

void db_add_text(struct db_params *p, struct span s)
{
        if (!s.ptr)
                db_add_null(p);
        else
                add_value(p, 0, 0, s.ptr, s.len);
}

void db_add_str(struct db_params *p, const char *s)
{
        db_add_text(p, span_of(s));
}

void db_add_int8(struct db_params *p, int64_t v)
{
        uint64_t be = htobe64((uint64_t)v);
        add_value(p, OID_INT8, 1, &be, sizeof be);
}

void db_add_int4(struct db_params *p, int32_t v)
{
        uint32_t be = htobe32((uint32_t)v);
        add_value(p, OID_INT4, 1, &be, sizeof be);
}

void db_add_bool(struct db_params *p, bool v)
{
        char c = v ? 1 : 0;
        add_value(p, OID_BOOL, 1, &c, 1);
}

void db_add_uuid(struct db_params *p, struct uuid u)
{
        add_value(p, OID_UUID, 1, u.b, sizeof u.b);
}

void db_add_bytea(struct db_params *p, struct span s)
{
        if (!s.ptr)
                db_add_null(p);
        else
                add_value(p, OID_BYTEA, 1, s.ptr, s.len);
}

void db_add_instant(struct db_params *p, instant t)
{
        if (t == INSTANT_NONE) {
                db_add_null(p);
                return;
        }
        uint64_t be = htobe64((uint64_t)(t - PG_EPOCH));
        add_value(p, OID_TIMESTAMPTZ, 1, &be, sizeof be);
}

static void add_be32(struct buf *b, uint32_t v)
{
        uint32_t be = htobe32(v);
        buf_add(b, &be, sizeof be);
}

static void add_be64(struct buf *b, uint64_t v)
{
        uint64_t be = htobe64(v);
        buf_add(b, &be, sizeof be);
}

/* PostgreSQL's binary array: dimensions, "has nulls", element oid, then per dimension length and
 * lower bound, then length + bytes. */
void db_array_begin(struct db_params *p, enum db_type type, size_t count)
{
        if (!add(p, oids[type].array, 1))
                return;
        p->array_at = p->data.len;
        add_be32(&p->data, count ? 1 : 0);
        add_be32(&p->data, 1);
        add_be32(&p->data, oids[type].element);
        if (count) {
                add_be32(&p->data, (uint32_t)count);
                add_be32(&p->data, 1);
        }
}

static void element(struct db_params *p, const void *data, size_t len)
{
        char *at = buf_grow(&p->data, 4 + len);
        if (!at)
                return;
        uint32_t be = htobe32((uint32_t)len);
        memcpy(at, &be, 4);
        if (len)
                memcpy(at + 4, data, len);
}

static Oid element_type(const struct db_params *p)
{
        uint32_t be;
        if (p->data.failed || p->data.len < p->array_at + 12)
                return 0;
        memcpy(&be, p->data.data + p->array_at + 8, 4);
        return be32toh(be);
}

void db_element_int(struct db_params *p, int64_t v)
{
        uint64_t be = htobe64((uint64_t)v);
        const char *bytes = (const char *)&be;
        switch (element_type(p)) {
        case OID_INT8:
                element(p, bytes, 8);
                break;
        case OID_INT4:
                element(p, bytes + 4, 4);
                break;
        case OID_INT2:
                element(p, bytes + 6, 2);
                break;
        default:
                element(p, bytes + 7, 1);
        }
}

void db_element_text(struct db_params *p, struct span s)
{
        if (s.ptr)
                element(p, s.ptr, s.len);
        else
                add_be32(&p->data, UINT32_MAX); /* -1: NULL */
}

void db_element_uuid(struct db_params *p, const struct uuid *u)
{
        if (u)
                element(p, u->b, sizeof u->b);
        else
                add_be32(&p->data, UINT32_MAX);
}

void db_element_instant(struct db_params *p, instant t)
{
        if (t == INSTANT_NONE) {
                add_be32(&p->data, UINT32_MAX);
                return;
        }
        add_be32(&p->data, 8);
        add_be64(&p->data, (uint64_t)(t - PG_EPOCH));
}

void db_array_end(struct db_params *p)
{
        if (!p->n)
                return;
        struct param *q = &p->list[p->n - 1];
        q->at = p->array_at;
        q->len = p->data.len - p->array_at;
}

void db_params_fail(struct db_params *p)
{
        p->failed = true;
}

int params_bind(struct db_params *p, struct err *e)
{
        if (p->failed || p->data.oom)
                return err_oom(e);
        if (p->data.failed)
                return err_set(e, ERR_FATAL, "",
                               "the statement's parameters are larger than %zu bytes", p->data.max);
        p->values = reallocarray(p->values, p->cap + 1, sizeof *p->values);
        p->lengths = reallocarray(p->lengths, p->cap + 1, sizeof *p->lengths);
        p->formats = reallocarray(p->formats, p->cap + 1, sizeof *p->formats);
        p->types = reallocarray(p->types, p->cap + 1, sizeof *p->types);
        if (!p->values || !p->lengths || !p->formats || !p->types)
                return err_oom(e);
        for (size_t i = 0; i < p->n; i++) {
                const struct param *q = &p->list[i];
                p->values[i] = q->null ? NULL : buf_str(&p->data) + q->at;
                p->lengths[i] = (int)q->len;
                p->formats[i] = q->format;
                p->types[i] = q->type;
        }
        return 0;
}

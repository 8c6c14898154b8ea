/* SPDX-License-Identifier: Apache-2.0 */
/* Avro's Parsing Canonical Form of a schema, from which its fingerprint is made. */
#include "codec/canonical.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

enum {
        DEPTH_MAX = 32,
        NAME_MAX_LEN = 512,
        FIXED_MAX = 1024 * 1024, /* bytes */
};

DEFINE_CLEANUP(json_cleanup, json_t, json_decref)

struct canon {
        struct buf *out;
        struct err *e;
        unsigned depth;
};

static int canon_schema(struct canon *c, const json_t *s, const char *space);

static int wrong(struct canon *c, const char *what)
{
        return err_set(c->e, ERR_INPUT, "", "not an Avro schema: %s", what);
}

/* Letters, digits and "_", in parts joined by dots, none of which begins with a digit. */
static bool name_ok(const char *s)
{
        if (strlen(s) >= NAME_MAX_LEN)
                return false;
        for (bool first = true; *s; s++) {
                bool letter = isalpha((unsigned char)*s) || *s == '_';
                if (*s == '.' ? first : !letter && (first || !isdigit((unsigned char)*s)))
                        return false;
                first = *s == '.';
                if (first && !s[1])
                        return false;
        }
        return true;
}

static bool is_primitive(const char *s)
{
        static const char *const names[] = { "null",  "boolean", "int",   "long",
                                             "float", "double",  "bytes", "string" };
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (strcmp(s, names[i]) == 0)
                        return true;
        return false;
}

static const char *text_of(const json_t *object, const char *key)
{
        return json_string_value(json_object_get(object, key));
}

static bool full_name(const char *name, const char *space, char ret[NAME_MAX_LEN])
{
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): by definition_name. */
        bool bare = !strchr(name, '.') && *space;
        int n = snprintf(ret, NAME_MAX_LEN, "%s%s%s", bare ? space : "", bare ? "." : "", name);
        return n > 0 && n < NAME_MAX_LEN && name_ok(ret);
}

/* The full name of a record, enum or fixed, and the namespace that holds within it. */
static int definition_name(struct canon *c, const json_t *s, const char *outer,
                           char name[NAME_MAX_LEN], char space[NAME_MAX_LEN])
{
        const char *own = text_of(s, "name"), *given = text_of(s, "namespace");
        if (!own || !*own || !full_name(own, given ? given : outer, name))
                return wrong(c, "a named type without a valid name");
        const char *dot = strrchr(name, '.');
        size_t len = dot ? (size_t)(dot - name) : 0;
        memcpy(space, name, len);
        space[len] = '\0';
        return 0;
}

static int canon_reference(struct canon *c, const char *name, const char *space)
{
        char full[NAME_MAX_LEN];
        if (is_primitive(name))
                buf_addf(c->out, "\"%s\"", name);
        else if (*name && full_name(name, space, full))
                buf_addf(c->out, "\"%s\"", full);
        else
                return wrong(c, "a type without a valid name");
        return 0;
}

static int canon_fields(struct canon *c, const json_t *s, const char *space)
{
        const json_t *fields = json_object_get(s, "fields");
        if (!json_is_array(fields))
                return wrong(c, "a record without fields");
        buf_adds(c->out, ",\"fields\":[");
        for (size_t i = 0; i < json_array_size(fields); i++) {
                const json_t *f = json_array_get(fields, i);
                const char *name = text_of(f, "name");
                if (!name || !*name || strchr(name, '.') || !name_ok(name))
                        return wrong(c, "a field without a valid name");
                buf_addf(c->out, "%s{\"name\":\"%s\",\"type\":", i ? "," : "", name);
                if (canon_schema(c, json_object_get(f, "type"), space) < 0)
                        return -1;
                buf_addc(c->out, '}');
        }
        buf_addc(c->out, ']');
        return 0;
}

static int canon_symbols(struct canon *c, const json_t *s)
{
        const json_t *symbols = json_object_get(s, "symbols");
        if (json_array_size(symbols) == 0)
                return wrong(c, "an enum without symbols");
        buf_adds(c->out, ",\"symbols\":[");
        for (size_t i = 0; i < json_array_size(symbols); i++) {
                const char *symbol = json_string_value(json_array_get(symbols, i));
                if (!symbol || !*symbol || strchr(symbol, '.') || !name_ok(symbol))
                        return wrong(c, "an enum's symbol that is not a name");
                buf_addf(c->out, "%s\"%s\"", i ? "," : "", symbol);
        }
        buf_addc(c->out, ']');
        return 0;
}

/* Old schemas quote the size; the canonical form has it as a plain number. */
static int canon_size(struct canon *c, const json_t *s)
{
        const json_t *size = json_object_get(s, "size");
        json_int_t n = json_is_integer(size) ? json_integer_value(size) : -1;
        if (json_is_string(size)) {
                const char *text = json_string_value(size);
                char *end;
                n = isdigit((unsigned char)*text) ? strtoll(text, &end, 10) : -1;
                if (n >= 0 && *end)
                        n = -1;
        }
        if (n < 0 || n > FIXED_MAX)
                return wrong(c, "a fixed without a size, or larger than 1 MiB");
        buf_addf(c->out, ",\"size\":%lld", (long long)n);
        return 0;
}

static int canon_definition(struct canon *c, const json_t *s, const char *type, const char *outer)
{
        char name[NAME_MAX_LEN], space[NAME_MAX_LEN];
        if (definition_name(c, s, outer, name, space) < 0)
                return -1;
        buf_addf(c->out, "{\"name\":\"%s\",\"type\":\"%s\"", name, type);
        int r = *type == 'r'   ? canon_fields(c, s, space)
                : *type == 'e' ? canon_symbols(c, s)
                               : canon_size(c, s);
        if (r < 0)
                return -1;
        buf_addc(c->out, '}');
        return 0;
}

static int canon_container(struct canon *c, const json_t *s, const char *type, const char *key,
                           const char *space)
{
        buf_addf(c->out, "{\"type\":\"%s\",\"%s\":", type, key);
        if (canon_schema(c, json_object_get(s, key), space) < 0)
                return -1;
        buf_addc(c->out, '}');
        return 0;
}

static int canon_object(struct canon *c, const json_t *s, const char *space)
{
        const json_t *inner = json_object_get(s, "type");
        const char *type = json_string_value(inner);
        if (!type) /* {"type": {"type": …}} */
                return canon_schema(c, inner, space);
        if (strcmp(type, "record") == 0 || strcmp(type, "enum") == 0 || strcmp(type, "fixed") == 0)
                return canon_definition(c, s, type, space);
        if (strcmp(type, "array") == 0)
                return canon_container(c, s, type, "items", space);
        if (strcmp(type, "map") == 0)
                return canon_container(c, s, type, "values", space);
        return canon_reference(c, type, space);
}

static int canon_union(struct canon *c, const json_t *s, const char *space)
{
        if (json_array_size(s) == 0)
                return wrong(c, "a union without branches");
        buf_addc(c->out, '[');
        for (size_t i = 0; i < json_array_size(s); i++) {
                if (i)
                        buf_addc(c->out, ',');
                if (canon_schema(c, json_array_get(s, i), space) < 0)
                        return -1;
        }
        buf_addc(c->out, ']');
        return 0;
}

static int canon_schema(struct canon *c, const json_t *s, const char *space)
{
        if (c->depth == DEPTH_MAX)
                return wrong(c, "nested too deeply");
        c->depth++;
        int r = json_is_string(s)   ? canon_reference(c, json_string_value(s), space)
                : json_is_array(s)  ? canon_union(c, s, space)
                : json_is_object(s) ? canon_object(c, s, space)
                                    : wrong(c, "a type is missing");
        c->depth--;
        return r;
}

static json_t *load(struct span text, struct err *e)
{
        json_error_t where;
        json_t *s = json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                               &where);
        if (!s)
                err_set(e, ERR_INPUT, "", "line %d: %s", where.line, where.text);
        return s;
}

int schema_canonical(struct span json, struct buf *out, struct err *e)
{
        json_t *s CLEANUP(json_cleanup) = load(json, e);
        if (!s)
                return -1;
        struct canon c = { .out = out, .e = e };
        if (canon_schema(&c, s, "") < 0)
                return -1;
        if (out->oom)
                return err_oom(e);
        return out->failed ? err_set(e, ERR_INPUT, "", "a schema larger than %zu bytes", out->max)
                           : 0;
}

int schema_names(struct span json, struct buf *out, struct err *e)
{
        json_t *s CLEANUP(json_cleanup) = load(json, e);
        if (!s)
                return -1;
        struct canon c = { .out = out, .e = e };
        char name[NAME_MAX_LEN], space[NAME_MAX_LEN], alias[NAME_MAX_LEN];
        if (!json_is_object(s) || definition_name(&c, s, "", name, space) < 0)
                return wrong(&c, "a message must be a record");
        buf_adds(out, name);
        const json_t *aliases = json_object_get(s, "aliases");
        for (size_t i = 0; i < json_array_size(aliases); i++) {
                const char *given = json_string_value(json_array_get(aliases, i));
                if (!given || !full_name(given, space, alias))
                        return wrong(&c, "an alias that is not a name");
                buf_addf(out, " %s", alias);
        }
        return out->failed ? err_oom(e) : 0;
}

/* The specification's CRC-64-AVRO, bit by bit: it runs once for each schema. */
static const uint64_t crc64_empty = UINT64_C(0xc15d213aa4d7a795);

uint64_t schema_fingerprint(struct span canonical)
{
        uint64_t crc = crc64_empty;
        for (size_t i = 0; i < canonical.len; i++) {
                crc ^= (uint8_t)canonical.ptr[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc64_empty & (0 - (crc & 1)));
        }
        return crc;
}

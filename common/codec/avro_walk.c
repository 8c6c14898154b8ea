/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a body's lengths against its writer's schema, before avro-c reads it. */
#include "codec/avro_walk.h"

#include "base/utf8.h"
#include "codec/wire.h"

enum {
        DEPTH_MAX = 32,
        VALUES_MAX = 64 * 1024, /* of one message; bounds the items that take no bytes, too */
};

struct walk {
        struct wire_in in;
        unsigned depth, values;
};

static void walk_value(struct walk *w, avro_schema_t s);

static void walk_text(struct walk *w)
{
        struct span s = wire_bytes(&w->in, wire_left(&w->in));
        if (!utf8_valid(s.ptr, s.len))
                wire_bad(&w->in, "text that is not UTF-8, or holds U+0000");
}

static void walk_blocks(struct walk *w, avro_schema_t item, bool keyed)
{
        const uint8_t *end;
        for (uint64_t n; (n = wire_block(&w->in, &end)) > 0;) {
                for (; n > 0 && !w->in.bad; n--) {
                        if (keyed)
                                walk_text(w);
                        walk_value(w, item);
                }
                if (end && w->in.at != end)
                        wire_bad(&w->in, "a block that ends elsewhere than it says");
        }
}

static int64_t index_below(struct walk *w, int64_t count)
{
        int64_t v = wire_long(&w->in);
        if (v >= 0 && v < count)
                return v;
        wire_bad(&w->in, "a branch or symbol that does not exist");
        return -1;
}

static void walk_union(struct walk *w, avro_schema_t s)
{
        int64_t branch = index_below(w, (int64_t)avro_schema_union_size(s));
        if (branch >= 0)
                walk_value(w, avro_schema_union_branch(s, (int)branch));
}

static void walk_record(struct walk *w, avro_schema_t s)
{
        size_t n = avro_schema_record_size(s);
        for (size_t i = 0; i < n && !w->in.bad; i++)
                walk_value(w, avro_schema_record_field_get_by_index(s, (int)i));
}

static void walk_typed(struct walk *w, avro_schema_t s)
{
        switch (avro_typeof(s)) {
        case AVRO_NULL:
                return;
        case AVRO_BOOLEAN:
                wire_bool(&w->in);
                return;
        case AVRO_INT32:
                wire_int(&w->in);
                return;
        case AVRO_INT64:
                wire_long(&w->in);
                return;
        case AVRO_FLOAT:
                wire_take(&w->in, sizeof(float));
                return;
        case AVRO_DOUBLE:
                wire_take(&w->in, sizeof(double));
                return;
        case AVRO_STRING:
                walk_text(w);
                return;
        case AVRO_BYTES:
                wire_bytes(&w->in, wire_left(&w->in));
                return;
        case AVRO_FIXED:
                wire_take(&w->in, (size_t)avro_schema_fixed_size(s));
                return;
        case AVRO_ENUM:
                index_below(w, avro_schema_enum_number_of_symbols(s));
                return;
        case AVRO_ARRAY:
                walk_blocks(w, avro_schema_array_items(s), false);
                return;
        case AVRO_MAP:
                walk_blocks(w, avro_schema_map_values(s), true);
                return;
        case AVRO_UNION:
                walk_union(w, s);
                return;
        case AVRO_RECORD:
                walk_record(w, s);
                return;
        case AVRO_LINK:
                walk_value(w, avro_schema_link_target(s));
                return;
        default:
                wire_bad(&w->in, "a type that Avro does not have");
        }
}

static void walk_value(struct walk *w, avro_schema_t s)
{
        if (w->depth == DEPTH_MAX || w->values == VALUES_MAX) {
                wire_bad(&w->in, "more values, or deeper ones, than allowed");
                return;
        }
        w->depth++;
        w->values++;
        walk_typed(w, s);
        w->depth--;
}

const char *avro_walk(avro_schema_t writer, struct span body)
{
        struct walk w = { .in = { .at = (const uint8_t *)body.ptr,
                                  .end = (const uint8_t *)body.ptr + body.len } };
        walk_value(&w, writer);
        if (!w.in.bad && w.in.at != w.in.end)
                return "bytes after its end";
        return w.in.bad;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes the body of a message of ours, by the tables of spec.c. */
#include "codec/decode.h"

#include "base/utf8.h"
#include "codec/encode.h"
#include "codec/wire.h"

static struct span get_text(struct wire_in *in)
{
        struct span s = wire_bytes(in, CODEC_TEXT_MAX);
        if (!utf8_valid(s.ptr, s.len))
                wire_bad(in, "text that is not UTF-8, or holds U+0000");
        return s;
}

static void get_uuid(struct wire_in *in, struct uuid *ret)
{
        const uint8_t *b = wire_take(in, sizeof ret->b);
        if (b)
                memcpy(ret->b, b, sizeof ret->b);
}

static void get_block(struct wire_in *in, uint64_t n, struct argument *list, size_t *count)
{
        if (n > CODEC_ARGUMENTS_MAX - *count) {
                wire_bad(in, "more arguments than allowed");
                return;
        }
        while (n-- && !in->bad) {
                struct argument *new = &list[*count];
                new->name = get_text(in);
                new->value = get_text(in);
                for (size_t i = 0; i < *count; i++)
                        if (span_eq(list[i].name, new->name))
                                wire_bad(in, "an argument that is given twice");
                ++*count;
        }
}

/* -1 when out of memory. */
static int get_arguments(struct wire_in *in, struct arena *a, struct task *t)
{
        struct argument list[CODEC_ARGUMENTS_MAX];
        size_t count = 0;
        const uint8_t *end;
        for (uint64_t n; (n = wire_block(in, &end)) > 0;) {
                get_block(in, n, list, &count);
                if (end && in->at != end)
                        wire_bad(in, "a block that ends elsewhere than it says");
        }
        if (in->bad || count == 0)
                return 0;
        t->arguments = arena_alloc(a, count * sizeof *list);
        if (!t->arguments)
                return -1;
        memcpy(t->arguments, list, count * sizeof *list);
        t->n_arguments = count;
        return 0;
}

static enum outcome get_outcome(struct wire_in *in)
{
        int64_t v = wire_long(in);
        if (v < 0 || v >= OUTCOME_COUNT) {
                wire_bad(in, "a symbol that does not exist");
                return OUTCOME_UNKNOWN;
        }
        return (enum outcome)v;
}

/* -1 when out of memory. */
static int get_field(struct wire_in *in, const struct field *f, struct arena *a, void *m)
{
        void *v = (char *)m + f->offset;
        switch (f->type) {
        case FIELD_UUID:
                get_uuid(in, v);
                break;
        case FIELD_UUID_NULL:
                if (wire_present(in))
                        get_uuid(in, v);
                break;
        case FIELD_TEXT:
                *(struct span *)v = get_text(in);
                break;
        case FIELD_TEXT_NULL:
                if (wire_present(in))
                        *(struct span *)v = get_text(in);
                break;
        case FIELD_BYTES_NULL:
                if (wire_present(in))
                        *(struct span *)v = wire_bytes(in, CODEC_BYTES_MAX);
                break;
        case FIELD_LONG:
                *(int64_t *)v = wire_long(in);
                break;
        case FIELD_INT:
                *(int32_t *)v = wire_int(in);
                break;
        case FIELD_BOOL:
                *(bool *)v = wire_bool(in);
                break;
        case FIELD_OUTCOME:
                *(enum outcome *)v = get_outcome(in);
                break;
        case FIELD_ARGUMENTS:
                return get_arguments(in, a, m);
        }
        return 0;
}

int decode_body(const struct spec *spec, struct span body, struct arena *a, void *m, struct err *e)
{
        struct wire_in in = { .at = (const uint8_t *)body.ptr,
                              .end = (const uint8_t *)body.ptr + body.len };
        for (size_t i = 0; i < spec->n_fields; i++) {
                const struct field *f = &spec->fields[i];
                if (get_field(&in, f, a, m) < 0)
                        return err_oom(e);
                if (in.bad)
                        return err_set(e, ERR_INPUT, "EBADMSG", "%s: field %s: %s", spec->name,
                                       f->name, in.bad);
        }
        if (in.at != in.end)
                return err_set(e, ERR_INPUT, "EBADMSG", "%s: %zu bytes after its end", spec->name,
                               wire_left(&in));
        return 0;
}

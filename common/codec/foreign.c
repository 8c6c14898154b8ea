/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of other writers' schemas, resolved to ours by avro-c. */
#include "codec/foreign.h"

#include "codec/avro_walk.h"
#include "codec/canonical.h"
#include "codec/encode.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 32, NAMES_MAX = 64 * 1024 };

/* avro-c writes its last error into one place for all threads: held where it may fail. */
static pthread_mutex_t avro_c = PTHREAD_MUTEX_INITIALIZER;

struct foreign {
        enum message_kind kind;
        avro_schema_t writer;
        avro_schema_t reader; /* of our fields those that the writer has */
        avro_value_iface_t *class, *resolver;
        avro_value_t value;    /* of the reader's schema; the last message read */
        avro_value_t resolved; /* takes the writer's fields and puts them into `value` */
        /* of the spec's fields within the reader's; -1: the writer does not have it */
        int index[FIELDS_MAX];
};

void foreign_free(struct foreign *f)
{
        if (!f)
                return;
        if (f->resolved.iface)
                avro_value_decref(&f->resolved);
        if (f->value.iface)
                avro_value_decref(&f->value);
        if (f->resolver)
                avro_value_iface_decref(f->resolver);
        if (f->class)
                avro_value_iface_decref(f->class);
        if (f->reader)
                avro_schema_decref(f->reader);
        if (f->writer)
                avro_schema_decref(f->writer);
        free(f);
}

enum message_kind foreign_kind(const struct foreign *f)
{
        return f->kind;
}

/* By the unqualified name, as Avro's schema resolution has it. */
static bool kind_of_name(const char *name, size_t len, enum message_kind *ret)
{
        const char *dot = memrchr(name, '.', len);
        const char *last = dot ? dot + 1 : name;
        struct span bare = { last, len - (size_t)(last - name) };
        for (int k = 0; k < MESSAGE_KIND_COUNT; k++)
                if (span_is(bare, strchr(specs[k].name, '.') + 1)) {
                        *ret = (enum message_kind)k;
                        return true;
                }
        return false;
}

static int find_kind(struct span json, enum message_kind *ret, struct err *e)
{
        struct buf names BUF_CLEANUP;
        buf_init(&names, NAMES_MAX);
        if (schema_names(json, &names, e) < 0)
                return -1;
        for (const char *name = buf_str(&names); *name;) {
                size_t len = strcspn(name, " ");
                if (kind_of_name(name, len, ret))
                        return 0;
                name += len + (name[len] == ' ');
        }
        return err_set(e, ERR_FATAL, "",
                       "neither the name nor an alias of %s is one of our messages'",
                       buf_str(&names));
}

static avro_schema_t nullable(avro_schema_t type)
{
        avro_schema_t u = avro_schema_union(), null = avro_schema_null();
        avro_schema_union_append(u, null);
        avro_schema_union_append(u, type);
        avro_schema_decref(null);
        avro_schema_decref(type);
        return u;
}

/* Our schema of a field. avro-c takes an enum's number as it comes, so there the writer's own
 * symbols are kept, and compared by name. */
static avro_schema_t reader_type(enum field_type type, avro_schema_t writers)
{
        switch (type) {
        case FIELD_UUID:
                return avro_schema_fixed_ns("Uuid", "rollcall", sizeof(struct uuid));
        case FIELD_UUID_NULL:
                return nullable(avro_schema_fixed_ns("Uuid", "rollcall", sizeof(struct uuid)));
        case FIELD_TEXT:
                return avro_schema_string();
        case FIELD_TEXT_NULL:
                return nullable(avro_schema_string());
        case FIELD_BYTES_NULL:
                return nullable(avro_schema_bytes());
        case FIELD_LONG:
                return avro_schema_long();
        case FIELD_INT:
                return avro_schema_int();
        case FIELD_BOOL:
                return avro_schema_boolean();
        case FIELD_OUTCOME:
                while (is_avro_link(writers))
                        writers = avro_schema_link_target(writers);
                return is_avro_enum(writers) ? avro_schema_incref(writers)
                                             : avro_schema_enum_ns("OutcomeKind", "rollcall");
        case FIELD_ARGUMENTS: {
                avro_schema_t text = avro_schema_string(), map = avro_schema_map(text);
                avro_schema_decref(text);
                return map;
        }
        }
        return NULL;
}

static int build_reader(struct foreign *f, struct err *e)
{
        const struct spec *spec = &specs[f->kind];
        f->reader = avro_schema_record(avro_schema_name(f->writer),
                                       avro_schema_namespace(f->writer));
        if (!f->reader)
                return err_oom(e);
        int n = 0;
        for (size_t i = 0; i < spec->n_fields; i++) {
                const struct field *field = &spec->fields[i];
                int w = avro_schema_record_field_get_index(f->writer, field->name);
                f->index[i] = w < 0 ? -1 : n++;
                if (w < 0) {
                        if (!field->has_default)
                                return err_set(e, ERR_FATAL, "",
                                               "%s: field %s is missing and has no default",
                                               spec->name, field->name);
                        continue;
                }
                avro_schema_t type = reader_type(
                        field->type, avro_schema_record_field_get_by_index(f->writer, w));
                int r = type ? avro_schema_record_field_append(f->reader, field->name, type)
                             : ENOMEM;
                if (type)
                        avro_schema_decref(type);
                if (r)
                        return err_oom(e);
        }
        return 0;
}

static int resolve(struct foreign *f, struct err *e)
{
        f->resolver = avro_resolved_writer_new(f->writer, f->reader);
        if (!f->resolver)
                return err_set(e, ERR_FATAL, "", "does not resolve to %s: %s", specs[f->kind].name,
                               avro_strerror());
        f->class = avro_generic_class_from_schema(f->reader);
        if (!f->class || avro_generic_value_new(f->class, &f->value) ||
            avro_resolved_writer_new_value(f->resolver, &f->resolved))
                return err_oom(e);
        avro_resolved_writer_set_dest(&f->resolved, &f->value);
        return 0;
}

static int set_up(struct foreign *f, struct span canonical, struct err *e)
{
        avro_schema_t writer;
        if (avro_schema_from_json_length(canonical.ptr, canonical.len, &writer))
                return err_set(e, ERR_FATAL, "", "%s", avro_strerror());
        f->writer = writer;
        return build_reader(f, e) < 0 || resolve(f, e) < 0 ? -1 : 0;
}

int foreign_new(struct span json, struct span canonical, struct foreign **ret, struct err *e)
{
        _Static_assert(FIELDS_MAX >= 20, "every message's fields must fit");
        struct foreign *f CLEANUP(foreign_cleanup) = calloc(1, sizeof *f);
        if (!f)
                return err_oom(e);
        if (find_kind(json, &f->kind, e) < 0)
                return -1;
        pthread_mutex_lock(&avro_c);
        int r = set_up(f, canonical, e);
        pthread_mutex_unlock(&avro_c);
        if (r < 0)
                return -1;
        *ret = TAKE(f);
        return 0;
}

/* the only reason that the message is not the cause of */
static const char no_memory[] = "out of memory";

/* NULL, or what is wrong. Copies, because avro-c reuses its memory for the next message. */
static const char *copy(const void *p, size_t len, size_t max, struct arena *a, struct span *ret)
{
        if (len > max)
                return "a length past the limit";
        *ret = arena_span(a, (struct span){ p, len });
        return ret->ptr ? NULL : no_memory;
}

static const char *get_text(const avro_value_t *v, struct arena *a, struct span *ret)
{
        const char *s;
        size_t size; /* with its NUL */
        if (avro_value_get_string(v, &s, &size))
                return "not a text";
        return copy(s, size - 1, CODEC_TEXT_MAX, a, ret);
}

static const char *get_arguments(const avro_value_t *v, struct arena *a, struct task *t)
{
        size_t n;
        if (avro_value_get_size(v, &n))
                return "not a map";
        if (n > CODEC_ARGUMENTS_MAX)
                return "more arguments than allowed";
        t->arguments = n ? arena_alloc(a, n * sizeof *t->arguments) : NULL;
        if (n && !t->arguments)
                return no_memory;
        for (t->n_arguments = 0; t->n_arguments < n; t->n_arguments++) {
                struct argument *to = &t->arguments[t->n_arguments];
                avro_value_t child;
                const char *key, *bad;
                if (avro_value_get_by_index(v, t->n_arguments, &child, &key))
                        return "not a map";
                if ((bad = copy(key, strlen(key), CODEC_TEXT_MAX, a, &to->name)) ||
                    (bad = get_text(&child, a, &to->value)))
                        return bad;
        }
        return NULL;
}

static const char *get_fixed(const avro_value_t *v, struct uuid *ret)
{
        const void *p;
        size_t len;
        if (avro_value_get_fixed(v, &p, &len) || len != sizeof ret->b)
                return "not a UUID";
        memcpy(ret->b, p, len);
        return NULL;
}

static const char *get_bytes(const avro_value_t *v, struct arena *a, struct span *ret)
{
        const void *p;
        size_t len;
        if (avro_value_get_bytes(v, &p, &len))
                return "not bytes";
        return copy(p, len, CODEC_BYTES_MAX, a, ret);
}

/* A symbol that we do not have is the enum's default. */
static const char *get_outcome(const avro_value_t *v, enum outcome *ret)
{
        int symbol;
        if (avro_value_get_enum(v, &symbol))
                return "not an enum";
        if (!outcome_parse(span_of(avro_schema_enum_get(avro_value_get_schema(v), symbol)), ret))
                *ret = OUTCOME_UNKNOWN;
        return NULL;
}

static const char *get_bool(const avro_value_t *v, bool *ret)
{
        int b;
        if (avro_value_get_boolean(v, &b))
                return "not a boolean";
        *ret = b != 0;
        return NULL;
}

static const char *get_field(const struct field *f, const avro_value_t *v, struct arena *a, void *m)
{
        void *to = (char *)m + f->offset;
        avro_value_t branch;
        if (avro_value_get_type(v) == AVRO_UNION) {
                if (avro_value_get_current_branch(v, &branch))
                        return "a union without a branch";
                if (avro_value_get_type(&branch) == AVRO_NULL)
                        return NULL;
                v = &branch;
        }
        switch (f->type) {
        case FIELD_UUID:
        case FIELD_UUID_NULL:
                return get_fixed(v, to);
        case FIELD_TEXT:
        case FIELD_TEXT_NULL:
                return get_text(v, a, to);
        case FIELD_BYTES_NULL:
                return get_bytes(v, a, to);
        case FIELD_LONG:
                return avro_value_get_long(v, to) ? "not a long" : NULL;
        case FIELD_INT:
                return avro_value_get_int(v, to) ? "not an int" : NULL;
        case FIELD_BOOL:
                return get_bool(v, to);
        case FIELD_OUTCOME:
                return get_outcome(v, to);
        case FIELD_ARGUMENTS:
                return get_arguments(v, a, m);
        }
        return NULL;
}

static int read_value(struct foreign *f, struct span body, struct err *e)
{
        const char *bad = avro_walk(f->writer, body);
        if (bad)
                return err_set(e, ERR_INPUT, "EBADMSG", "%s, by a foreign schema: %s",
                               specs[f->kind].name, bad);
        avro_reader_t in = avro_reader_memory(body.ptr, (int64_t)body.len);
        if (!in)
                return err_oom(e);
        pthread_mutex_lock(&avro_c);
        int r = avro_value_read(in, &f->resolved);
        pthread_mutex_unlock(&avro_c);
        avro_reader_free(in);
        if (r == ENOMEM)
                return err_oom(e);
        if (r)
                return err_set(e, ERR_INPUT, "EBADMSG",
                               "%s, by a foreign schema: a value that our schema has no field for",
                               specs[f->kind].name);
        return 0;
}

/* The schema's default of a field that the writer does not have. */
static void set_default(const struct field *f, void *m)
{
        if (f->type == FIELD_TEXT) /* empty, not absent */
                *(struct span *)((char *)m + f->offset) = SPAN_LIT("");
}

int foreign_decode(struct foreign *f, struct span body, struct arena *a, void *m, struct err *e)
{
        if (read_value(f, body, e) < 0)
                return -1;
        const struct spec *spec = &specs[f->kind];
        for (size_t i = 0; i < spec->n_fields; i++) {
                avro_value_t v;
                if (f->index[i] < 0) {
                        set_default(&spec->fields[i], m);
                        continue;
                }
                const char *bad = avro_value_get_by_index(&f->value, (size_t)f->index[i], &v, NULL)
                                          ? "missing"
                                          : get_field(&spec->fields[i], &v, a, m);
                if (bad == no_memory)
                        return err_oom(e);
                if (bad)
                        return err_set(e, ERR_INPUT, "EBADMSG", "%s: field %s: %s", spec->name,
                                       spec->fields[i].name, bad);
        }
        return 0;
}

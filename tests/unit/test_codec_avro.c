/* SPDX-License-Identifier: Apache-2.0 */
/* Our codec against avro-c, in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/spec.h"
#include "codec_samples.h"

#include <avro.h>
#include <stdlib.h>
#include <string.h>

static struct arena *arena;

static struct span whole(const struct buf *b)
{
        return (struct span){ buf_str(b), b->len };
}

static avro_value_t field(avro_value_t *record, const char *name)
{
        avro_value_t v = { 0 };
        if (avro_value_get_by_name(record, name, &v, NULL))
                fail_msg("the schema has no field %s", name);
        return v;
}

static avro_value_t branch(avro_value_t v, int n)
{
        avro_value_t b = { 0 };
        assert_int_equal(avro_value_set_branch(&v, n, &b), 0);
        return b;
}

static void set_text(avro_value_t v, struct span s)
{
        char *text = calloc(1, s.len + 1);
        assert_non_null(text);
        if (s.len)
                memcpy(text, s.ptr, s.len);
        assert_int_equal(avro_value_set_string_len(&v, text, s.len + 1), 0);
        free(text);
}

static void set_uuid(avro_value_t v, struct uuid u)
{
        assert_int_equal(avro_value_set_fixed(&v, u.b, sizeof u.b), 0);
}

static void set_long(avro_value_t v, int64_t n)
{
        assert_int_equal(avro_value_get_type(&v) == AVRO_INT64 ? avro_value_set_long(&v, n)
                                                               : avro_value_set_int(&v, (int32_t)n),
                         0);
}

static void set_null_or_uuid(avro_value_t v, struct uuid u)
{
        if (uuid_is_nil(u))
                branch(v, 0);
        else
                set_uuid(branch(v, 1), u);
}

static void set_null_or_text(avro_value_t v, struct span s)
{
        if (s.ptr)
                set_text(branch(v, 1), s);
        else
                branch(v, 0);
}

static void set_null_or_bytes(avro_value_t v, struct span s)
{
        avro_value_t b = branch(v, s.ptr ? 1 : 0);
        if (s.ptr)
                assert_int_equal(avro_value_set_bytes(&b, (void *)(uintptr_t)s.ptr, s.len), 0);
}

static void task_value(const struct task *m, avro_value_t *v)
{
        avro_value_t dry_run = field(v, "dry_run"), arguments = field(v, "arguments"), child;
        set_uuid(field(v, "task_id"), m->task_id);
        set_null_or_uuid(field(v, "run_id"), m->run_id);
        set_text(field(v, "type"), m->type);
        set_text(field(v, "subject"), m->subject);
        set_text(field(v, "item"), m->item);
        set_long(field(v, "scheduled_at"), m->scheduled_at);
        avro_value_set_boolean(&dry_run, m->dry_run);
        set_text(field(v, "actor"), m->actor);
        for (size_t i = 0; i < m->n_arguments; i++) {
                char *name = arena_strndup(arena, m->arguments[i].name.ptr,
                                           m->arguments[i].name.len);
                assert_int_equal(avro_value_add(&arguments, name, &child, NULL, NULL), 0);
                set_text(child, m->arguments[i].value);
        }
}

static void outcome_value(const struct outcome_event *m, avro_value_t *v)
{
        avro_value_t dry_run = field(v, "dry_run"), outcome = field(v, "outcome");
        set_uuid(field(v, "event_id"), m->event_id);
        set_uuid(field(v, "task_id"), m->task_id);
        set_null_or_uuid(field(v, "run_id"), m->run_id);
        set_text(field(v, "pack"), m->pack);
        set_text(field(v, "job"), m->job);
        set_text(field(v, "type"), m->type);
        set_text(field(v, "subject"), m->subject);
        set_text(field(v, "item"), m->item);
        int symbol = avro_schema_enum_get_by_name(avro_value_get_schema(&outcome),
                                                  outcome_name(m->outcome));
        assert_int_equal(avro_value_set_enum(&outcome, symbol), 0);
        set_text(field(v, "reason"), m->reason);
        set_null_or_text(field(v, "before"), m->before);
        set_null_or_text(field(v, "after"), m->after);
        set_long(field(v, "at"), m->at);
        avro_value_set_boolean(&dry_run, m->dry_run);
        set_text(field(v, "actor"), m->actor);
        set_long(field(v, "attempt"), m->attempt);
        set_text(field(v, "source_topic"), m->source_topic);
        set_long(field(v, "source_partition"), m->source_partition);
        set_long(field(v, "source_offset"), m->source_offset);
        set_long(field(v, "sequence"), m->sequence);
        set_null_or_text(field(v, "replaces"), m->replaces);
}

static void run_value(const struct run_event *m, avro_value_t *v)
{
        avro_value_t dry_run = field(v, "dry_run");
        set_uuid(field(v, "event_id"), m->event_id);
        set_uuid(field(v, "run_id"), m->run_id);
        set_text(field(v, "pack"), m->pack);
        set_text(field(v, "job"), m->job);
        set_long(field(v, "scheduled_at"), m->scheduled_at);
        set_text(field(v, "state"), m->state);
        avro_value_set_boolean(&dry_run, m->dry_run);
        set_text(field(v, "actor"), m->actor);
        set_long(field(v, "planned"), m->planned);
        for (int i = 0; i < OUTCOME_COUNT; i++)
                set_long(field(v, outcome_name((enum outcome)i)), m->counts[i]);
        set_text(field(v, "reason"), m->reason);
        set_long(field(v, "at"), m->at);
}

static void dead_letter_value(const struct dead_letter *m, avro_value_t *v)
{
        set_uuid(field(v, "event_id"), m->event_id);
        set_text(field(v, "topic"), m->topic);
        set_long(field(v, "partition"), m->partition);
        set_long(field(v, "offset"), m->offset);
        set_text(field(v, "reason"), m->reason);
        set_long(field(v, "attempts"), m->attempts);
        set_long(field(v, "at"), m->at);
        set_null_or_bytes(field(v, "key"), m->key);
        set_null_or_bytes(field(v, "value"), m->value);
}

/* A random message, in our encoding and as avro-c's value. */
static void sample_both(struct sampler *s, enum message_kind kind, struct buf *ours,
                        avro_value_t *v)
{
        struct task t;
        struct outcome_event o;
        struct run_event r;
        struct dead_letter d;
        switch (kind) {
        case MESSAGE_TASK:
                sample_task(s, &t);
                task_encode(&t, ours);
                task_value(&t, v);
                break;
        case MESSAGE_OUTCOME:
                sample_outcome(s, &o);
                outcome_encode(&o, ours);
                outcome_value(&o, v);
                break;
        case MESSAGE_RUN:
                sample_run(s, &r);
                run_encode(&r, ours);
                run_value(&r, v);
                break;
        default:
                sample_dead_letter(s, &d);
                dead_letter_encode(&d, ours);
                dead_letter_value(&d, v);
        }
}

static avro_schema_t parse(const char *json)
{
        avro_schema_t s = NULL;
        if (avro_schema_from_json_length(json, strlen(json), &s))
                fail_msg("%s", avro_strerror());
        return s;
}

static void add_frame(struct buf *out, uint64_t fingerprint)
{
        buf_adds(out, "\xc3\x01");
        for (unsigned i = 0; i < 8; i++)
                buf_addc(out, (char)(fingerprint >> 8 * i));
}

static void add_written(struct buf *out, avro_value_t *v)
{
        size_t size;
        assert_int_equal(avro_value_sizeof(v, &size), 0);
        avro_writer_t w = avro_writer_memory(buf_grow(out, size), (int64_t)size);
        assert_int_equal(avro_value_write(w, v), 0);
        avro_writer_free(w);
}

static void agrees_with_avro_c(void **state)
{
        (void)state;
        struct codec *c CLEANUP(codec_cleanup) = NULL;
        assert_int_equal(codec_new(NULL, &c, NULL), 0);
        struct sampler s = { .state = 2026, .arena = arena };
        for (int k = 0; k < MESSAGE_KIND_COUNT; k++) {
                enum message_kind kind = (enum message_kind)k;
                avro_schema_t schema = parse(specs[kind].schema);
                avro_value_iface_t *class = avro_generic_class_from_schema(schema);
                for (int i = 0; i < 300; i++) {
                        struct buf ours BUF_CLEANUP, theirs BUF_CLEANUP, again BUF_CLEANUP;
                        struct err e = ERR_INIT;
                        avro_value_t v, read;
                        buf_init(&ours, 1024 * 1024);
                        buf_init(&theirs, 1024 * 1024);
                        buf_init(&again, 1024 * 1024);
                        arena_reset(arena);
                        avro_generic_value_new(class, &v);
                        avro_generic_value_new(class, &read);
                        sample_both(&s, kind, &ours, &v);
                        avro_reader_t in = avro_reader_memory(ours.data + FRAME_LEN,
                                                              (int64_t)(ours.len - FRAME_LEN));
                        assert_int_equal(avro_value_read(in, &read), 0);
                        assert_true(avro_value_equal_fast(&v, &read));
                        avro_reader_free(in);
                        add_frame(&theirs, specs[kind].fingerprint);
                        add_written(&theirs, &v);
                        if (sample_transcode(c, kind, whole(&theirs), arena, &again, &e) < 0)
                                fail_msg("%s", e.text);
                        assert_true(span_eq(whole(&ours), whole(&again)));
                        avro_value_decref(&v);
                        avro_value_decref(&read);
                }
                avro_value_iface_decref(class);
                avro_schema_decref(schema);
        }
}

static int setup(void **state)
{
        (void)state;
        arena = arena_new(16 * 1024 * 1024);
        return arena ? 0 : -1;
}

static int teardown(void **state)
{
        (void)state;
        arena_free(arena);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(agrees_with_avro_c) };
        return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Writer schemas other than ours, and the canonical form that tells schemas apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "codec/canonical.h"
#include "codec/codec.h"
#include "codec/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct arena *arena;

static struct span whole(const struct buf *b)
{
        return (struct span){ buf_str(b), b->len };
}

static void add_frame(struct buf *out, uint64_t fingerprint)
{
        buf_adds(out, "\xc3\x01");
        for (unsigned i = 0; i < 8; i++)
                buf_addc(out, (char)(fingerprint >> 8 * i));
}

/* A newer Task: a type and fields that we do not know, an int where we have a long, another order.
 */
static const char newer_task[] =
        "{\"type\":\"record\",\"name\":\"Task\",\"namespace\":\"rollcall\",\"fields\":["
        "{\"name\":\"trail\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":"
        "\"Hop\",\"fields\":["
        "{\"name\":\"id\",\"type\":{\"type\":\"fixed\",\"name\":\"Uuid\",\"size\":16}},{\"name\":"
        "\"weight\",\"type\":[\"null\",\"double\"]}]}}},"
        "{\"name\":\"arguments\",\"type\":{\"type\":\"map\",\"values\":\"string\"}},"
        "{\"name\":\"subject\",\"type\":\"string\",\"aliases\":[\"who\"]},"
        "{\"name\":\"scheduled_at\",\"type\":\"int\"},"
        "{\"name\":\"run_id\",\"type\":[\"Uuid\",\"null\"]},"
        "{\"name\":\"priority\",\"type\":{\"type\":\"enum\",\"name\":\"Priority\",\"symbols\":["
        "\"low\",\"high\"]},\"default\":\"low\"},"
        "{\"name\":\"task_id\",\"type\":\"rollcall.Uuid\"},"
        "{\"name\":\"type\",\"type\":{\"type\":\"string\",\"avro.java.string\":\"String\"}}]}";

/* Another service's record with a newer outcome that we do not have. */
static const char their_outcome[] =
        "{\"type\":\"record\",\"name\":\"com.example.Audit\",\"aliases\":[\"rollcall.Outcome\"],"
        "\"fields\":["
        "{\"name\":\"outcome\",\"type\":{\"type\":\"enum\",\"name\":\"OutcomeKind\",\"symbols\":["
        "\"deferred\",\"skipped\",\"applied\"]}},"
        "{\"name\":\"event_id\",\"type\":{\"type\":\"fixed\",\"name\":\"rollcall.Uuid\",\"size\":"
        "16}},"
        "{\"name\":\"task_id\",\"type\":\"rollcall.Uuid\"},{\"name\":\"pack\",\"type\":\"string\"},"
        "{\"name\":\"type\",\"type\":\"string\"},"
        "{\"name\":\"subject\",\"type\":\"string\"},{\"name\":\"before\",\"type\":\"string\"},{"
        "\"name\":\"after\",\"type\":[\"null\",\"string\",\"long\"]},"
        "{\"name\":\"at\",\"type\":\"long\"},{\"name\":\"attempt\",\"type\":\"int\"},{\"name\":"
        "\"source_topic\",\"type\":\"string\"},"
        "{\"name\":\"source_partition\",\"type\":\"int\"},{\"name\":\"source_offset\",\"type\":"
        "\"long\"},{\"name\":\"sequence\",\"type\":\"long\"}]}";

static uint64_t fingerprint_of(const char *json)
{
        struct buf form BUF_CLEANUP;
        struct err e = ERR_INIT;
        buf_init(&form, 64 * 1024);
        if (schema_canonical(span_of(json), &form, &e) < 0)
                fail_msg("%s", e.text);
        return schema_fingerprint(whole(&form));
}

/* A codec whose folder holds one schema; returns what codec_new returned. */
static int codec_of(const char *json, struct codec **ret, struct err *e)
{
        char folder[] = "/tmp/rollcall-schemas-XXXXXX", path[64];
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof path, "%s/writer.avsc", folder);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(json, f);
        fclose(f);
        int r = codec_new(folder, ret, e);
        unlink(path);
        rmdir(folder);
        return r;
}

static void add_text(struct buf *b, const char *s)
{
        uint8_t number[WIRE_LONG_MAX];
        buf_add(b, number, (size_t)(wire_put_long(number, (int64_t)strlen(s)) - number));
        buf_adds(b, s);
}

static void write_newer_task(struct buf *b, bool with_arguments)
{
        buf_reset(b);
        add_frame(b, fingerprint_of(newer_task));
        /* an array block that says its size: one hop of 17 bytes */
        buf_add(b,
                "\x01\x22"
                "hhhhhhhhhhhhhhhh"
                "\x00"
                "\x00",
                20);
        if (with_arguments) {
                buf_adds(b, "\x04");
                add_text(b, "days");
                add_text(b, "90");
                add_text(b, "why");
                add_text(b, "ação");
        }
        buf_addc(b, '\0');
        add_text(b, "ana");
        buf_adds(b, "\x02"); /* scheduled_at 1 */
        buf_add(b,
                "\x00"
                "rrrrrrrrrrrrrrrr",
                17);
        buf_adds(b, "\x02");
        buf_adds(b, "tttttttttttttttt");
        add_text(b, "p.t");
}

static void newer_schema_resolves(void **state)
{
        (void)state;
        struct codec *c CLEANUP(codec_cleanup) = NULL;
        struct err e = ERR_INIT;
        if (codec_of(newer_task, &c, &e) < 0)
                fail_msg("%s", e.text);
        struct buf b BUF_CLEANUP;
        buf_init(&b, 4096);
        for (int i = 0; i < 4; i++) { /* a message must not show what the one before it had */
                struct task t;
                enum message_kind kind;
                write_newer_task(&b, i % 2 == 0);
                assert_int_equal(codec_kind(c, whole(&b), &kind, &e), 0);
                assert_int_equal(kind, MESSAGE_TASK);
                if (task_decode(c, whole(&b), arena, &t, &e) < 0)
                        fail_msg("%s", e.text);
                assert_memory_equal(t.task_id.b, "tttttttttttttttt", 16);
                assert_memory_equal(t.run_id.b, "rrrrrrrrrrrrrrrr", 16);
                assert_true(span_is(t.subject, "ana") && span_is(t.type, "p.t") &&
                            span_is(t.item, "") && t.scheduled_at == 1 && !t.dry_run);
                assert_true(t.item.ptr && t.actor.ptr); /* empty, not absent */
                assert_int_equal(t.n_arguments, i % 2 == 0 ? 2 : 0);
                if (t.n_arguments)
                        assert_true(span_is(t.arguments[1].name, "why") &&
                                    span_is(t.arguments[1].value, "ação"));
        }
}

/* A full arena is not the message's fault. */
static void full_arena_is_not_an_input_error(void **state)
{
        (void)state;
        struct codec *c CLEANUP(codec_cleanup) = NULL;
        struct arena *none CLEANUP(arena_cleanup) = arena_new(0);
        struct err e = ERR_INIT;
        assert_int_equal(codec_of(newer_task, &c, &e), 0);
        struct buf b BUF_CLEANUP;
        struct task t;
        buf_init(&b, 4096);
        write_newer_task(&b, true);
        assert_int_equal(task_decode(c, whole(&b), none, &t, &e), -1);
        assert_int_equal(e.class, ERR_FATAL);
}

static void foreign_bytes_are_bounded(void **state)
{
        (void)state;
        struct codec *c CLEANUP(codec_cleanup) = NULL;
        struct err e = ERR_INIT;
        assert_int_equal(codec_of(newer_task, &c, &e), 0);
        struct buf b BUF_CLEANUP;
        struct task t;
        buf_init(&b, 4096);
        write_newer_task(&b, true);
        for (size_t len = 0; len <= b.len; len++) { /* each truncation, and one byte too many */
                size_t n = len < b.len ? len : b.len + 1;
                char *exact = calloc(1, n ? n : 1);
                assert_non_null(exact);
                memcpy(exact, b.data, len);
                assert_int_equal(task_decode(c, (struct span){ exact, n }, arena, &t, &e), -1);
                assert_int_equal(e.class, ERR_INPUT);
                free(exact);
        }
        static const struct {
                const char *body;
                size_t len;
                const char *says;
        } rows[] = {
                { "\x01\xfe\xff\xff\xff\x0f", 6, "a block past" },
                { "\x01\x24"
                  "hhhhhhhhhhhhhhhh"
                  "\x00"
                  "\x00\x00",
                  21, "ends elsewhere" },
                { "\x00\x02\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "past the limit" },
                { "\x02"
                  "hhhhhhhhhhhhhhhh"
                  "\x04",
                  18, "branch or symbol" },
                { "\x00\x02\x02\x00\x00", 5, "U+0000" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                buf_reset(&b);
                add_frame(&b, fingerprint_of(newer_task));
                buf_add(&b, rows[i].body, rows[i].len);
                assert_int_equal(task_decode(c, whole(&b), arena, &t, &e), -1);
                if (!strstr(e.text, rows[i].says))
                        fail_msg("\"%s\" does not say \"%s\"", e.text, rows[i].says);
        }
}

/* Items that take no bytes must not keep anybody busy. */
static void empty_items_are_bounded(void **state)
{
        (void)state;
        struct codec *c CLEANUP(codec_cleanup) = NULL;
        struct err e = ERR_INIT;
        char json[2048];
        snprintf(json, sizeof json, "%.*s%s",
                 (int)(strstr(newer_task, "{\"name\":\"trail\"") - newer_task), newer_task,
                 "{\"name\":\"nothing\",\"type\":{\"type\":\"array\",\"items\":\"null\"}},"
                 "{\"name\":\"task_id\",\"type\":{\"type\":\"fixed\",\"name\":\"Uuid\",\"size\":16}"
                 "},{\"name\":\"type\",\"type\":\"string\"},"
                 "{\"name\":\"subject\",\"type\":\"string\"},{\"name\":\"scheduled_at\",\"type\":"
                 "\"long\"}]}");
        if (codec_of(json, &c, &e) < 0)
                fail_msg("%s", e.text);
        struct buf b BUF_CLEANUP;
        struct task t;
        buf_init(&b, 4096);
        add_frame(&b, fingerprint_of(json));
        buf_adds(&b, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        buf_add(&b, "\0tttttttttttttttt\0\0\0", 20);
        assert_int_equal(task_decode(c, whole(&b), arena, &t, &e), -1);
        assert_non_null(strstr(e.text, "more values"));
}

static void write_their_outcome(struct buf *b, int symbol, const char *after, size_t after_len)
{
        buf_reset(b);
        add_frame(b, fingerprint_of(their_outcome));
        buf_addc(b, (char)(symbol * 2));
        buf_adds(b, "eeeeeeeeeeeeeeee"
                    "tttttttttttttttt");
        add_text(b, "pack");
        add_text(b, "pack.type");
        add_text(b, "ana");
        add_text(b, "old");
        buf_add(b, after, after_len);
        buf_add(b, "\x02\x04\x00\x06\x08\x0a", 6);
}

static void alias_and_newer_symbol(void **state)
{
        (void)state;
        static const enum outcome expected[] = { OUTCOME_UNKNOWN, OUTCOME_SKIPPED,
                                                 OUTCOME_APPLIED };
        struct codec *c CLEANUP(codec_cleanup) = NULL;
        struct err e = ERR_INIT;
        if (codec_of(their_outcome, &c, &e) < 0)
                fail_msg("%s", e.text);
        struct buf b BUF_CLEANUP;
        struct outcome_event o;
        buf_init(&b, 4096);
        for (int symbol = 0; symbol < 3; symbol++) {
                write_their_outcome(&b, symbol, symbol ? "\x02\x06new" : "\x00", symbol ? 5 : 1);
                if (outcome_decode(c, whole(&b), arena, &o, &e) < 0)
                        fail_msg("%s", e.text);
                assert_int_equal(o.outcome, expected[symbol]);
                assert_true(span_is(o.before, "old") && uuid_is_nil(o.run_id) && o.attempt == 2 &&
                            o.sequence == 5);
                assert_true(symbol ? span_is(o.after, "new") : o.after.ptr == NULL);
        }
        write_their_outcome(&b, 3, "\x00", 1);
        assert_int_equal(outcome_decode(c, whole(&b), arena, &o, &e), -1);
        write_their_outcome(&b, 0, "\x04\x02", 2); /* a branch of theirs that ours does not have */
        assert_int_equal(outcome_decode(c, whole(&b), arena, &o, &e), -1);
        assert_non_null(strstr(e.text, "no field for"));
}

static void unusable_schemas_are_named(void **state)
{
        (void)state;
        static const struct {
                const char *json, *says;
        } rows[] = {
                { "{\"type\":\"record\"", "line 1" },
                { "\"string\"", "must be a record" },
                { "{\"type\":\"record\",\"name\":\"Other\",\"fields\":[]}", "one of our messages" },
                { "{\"type\":\"record\",\"name\":\"Task\",\"fields\":[]}",
                  "field task_id is missing" },
                { "{\"type\":\"record\",\"name\":\"Task\",\"fields\":[{\"name\":\"a\",\"type\":"
                  "\"Nowhere\"}]}",
                  "Nowhere" },
                { "{\"type\":\"record\",\"name\":\"Ta sk\",\"fields\":[]}",
                  "without a valid name" },
                { "{\"type\":\"record\",\"name\":\"Task\",\"fields\":[{\"name\":\"a\"}]}",
                  "type is missing" },
                { "{\"type\":\"record\",\"name\":\"Run\",\"fields\":["
                  "{\"name\":\"event_id\",\"type\":{\"type\":\"fixed\",\"name\":\"rollcall.Uuid\","
                  "\"size\":16}},{\"name\":\"run_id\",\"type\":\"string\"},"
                  "{\"name\":\"pack\",\"type\":\"string\"},{\"name\":\"job\",\"type\":\"string\"},{"
                  "\"name\":\"scheduled_at\",\"type\":\"long\"},"
                  "{\"name\":\"state\",\"type\":\"string\"},{\"name\":\"at\",\"type\":\"long\"}]}",
                  "does not resolve" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct codec *c = NULL;
                struct err e = ERR_INIT;
                assert_int_equal(codec_of(rows[i].json, &c, &e), -1);
                assert_int_equal(e.class, ERR_FATAL);
                if (!strstr(e.text, rows[i].says) || !strstr(e.text, "/writer.avsc: "))
                        fail_msg("\"%s\" does not say \"%s\"", e.text, rows[i].says);
        }
        struct codec *c = NULL;
        struct err e = ERR_INIT;
        assert_int_equal(codec_new("/nonexistent/schemas", &c, &e), -1);
        assert_non_null(strstr(e.text, "/nonexistent/schemas"));
        assert_int_equal(codec_new(SOURCE_DIR "/schemas", &c, &e), 0); /* our own are passed over */
        codec_free(c);
}

static void canonical_form(void **state)
{
        (void)state;
        static const struct {
                const char *json, *form;
        } rows[] = {
                { "{ \"type\" : \"int\" }", "\"int\"" },
                { "{\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}}",
                  "\"long\"" },
                { "[\"null\", {\"type\": \"string\"}]", "[\"null\",\"string\"]" },
                { "{\"values\": \"long\", \"type\": \"map\", \"doc\": \"x\"}",
                  "{\"type\":\"map\",\"values\":\"long\"}" },
                { "{\"type\":\"fixed\",\"size\":\"0016\",\"name\":\"F\",\"namespace\":\"a.b\","
                  "\"aliases\":[\"G\"]}",
                  "{\"name\":\"a.b.F\",\"type\":\"fixed\",\"size\":16}" },
                { "{\"symbols\":[\"A\",\"\\u0042\"],\"name\":\"x.E\",\"type\":\"enum\",\"default\":"
                  "\"A\",\"namespace\":\"ignored\"}",
                  "{\"name\":\"x.E\",\"type\":\"enum\",\"symbols\":[\"A\",\"B\"]}" },
                { "{\"fields\":[{\"type\":{\"type\":\"array\",\"items\":\"R\"},\"doc\":\"\","
                  "\"order\":\"ignore\",\"name\":\"r\",\"default\":[]},"
                  "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"o.E\",\"symbols\":[\"A\"]"
                  "}},{\"name\":\"f\",\"type\":\"o.E\"},"
                  "{\"name\":\"n\",\"type\":{\"type\":\"fixed\",\"name\":\"N\",\"namespace\":\"\","
                  "\"size\":1}}],"
                  "\"namespace\":\"s\",\"type\":\"record\",\"name\":\"R\"}",
                  "{\"name\":\"s.R\",\"type\":\"record\",\"fields\":[{\"name\":\"r\",\"type\":{"
                  "\"type\":\"array\",\"items\":\"s.R\"}},"
                  "{\"name\":\"e\",\"type\":{\"name\":\"o.E\",\"type\":\"enum\",\"symbols\":[\"A\"]"
                  "}},{\"name\":\"f\",\"type\":\"o.E\"},"
                  "{\"name\":\"n\",\"type\":{\"name\":\"N\",\"type\":\"fixed\",\"size\":1}}]}" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct buf form BUF_CLEANUP;
                struct err e = ERR_INIT;
                buf_init(&form, 4096);
                if (schema_canonical(span_of(rows[i].json), &form, &e) < 0)
                        fail_msg("%s", e.text);
                assert_string_equal(buf_str(&form), rows[i].form);
        }
        /* Avro's own test data */
        assert_true(schema_fingerprint(SPAN_LIT("\"int\"")) == UINT64_C(0x7275d51a3f395c8f));
        struct buf deep BUF_CLEANUP, form BUF_CLEANUP;
        buf_init(&deep, 64 * 1024);
        buf_init(&form, 64 * 1024);
        for (int i = 0; i < 200; i++)
                buf_adds(&deep, "{\"type\":\"array\",\"items\":");
        buf_adds(&deep, "\"int\"");
        for (int i = 0; i < 200; i++)
                buf_addc(&deep, '}');
        assert_int_equal(schema_canonical(whole(&deep), &form, NULL), -1);
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
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(full_arena_is_not_an_input_error),
                cmocka_unit_test(newer_schema_resolves),
                cmocka_unit_test(foreign_bytes_are_bounded),
                cmocka_unit_test(empty_items_are_bounded),
                cmocka_unit_test(alias_and_newer_symbol),
                cmocka_unit_test(unusable_schemas_are_named),
                cmocka_unit_test(canonical_form),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/canonical.h"

#include "base/utf8.h"
#include "codec/cloudevents.h"
#include "codec/spec.h"
#include "codec/wire.h"
#include "codec_samples.h"

#include <stdio.h>
#include <stdlib.h>

static struct arena *arena;
static struct codec *codec;

static int setup(void **state)
{
        (void)state;
        arena = arena_new(16 * 1024 * 1024);
        return arena && codec_new(NULL, &codec, NULL) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
        (void)state;
        codec_free(codec);
        arena_free(arena);
        return 0;
}

static struct span whole(const struct buf *b)
{
        return (struct span){ buf_str(b), b->len };
}

/* Expects the bytes, in memory of exactly their size, to be refused with `text` in the message. */
static void refused(enum message_kind kind, struct span bytes, const char *text)
{
        struct err e = ERR_INIT;
        struct buf again BUF_CLEANUP;
        char *exact = malloc(bytes.len ? bytes.len : 1);
        assert_non_null(exact);
        if (bytes.len)
                memcpy(exact, bytes.ptr, bytes.len);
        buf_init(&again, 4 * 1024 * 1024);
        int r = sample_transcode(codec, kind, (struct span){ exact, bytes.len }, arena, &again, &e);
        free(exact);
        assert_int_equal(r, -1);
        assert_int_equal(e.class, ERR_INPUT);
        if (!strstr(e.text, text))
                fail_msg("\"%s\" does not say \"%s\"", e.text, text);
}

static void round_trips(void **state)
{
        (void)state;
        struct sampler s = { .state = 42, .arena = arena };
        for (int i = 0; i < 4000; i++) {
                enum message_kind kind = (enum message_kind)(i % MESSAGE_KIND_COUNT), found;
                struct buf first BUF_CLEANUP, second BUF_CLEANUP;
                struct err e = ERR_INIT;
                buf_init(&first, 1024 * 1024);
                buf_init(&second, 1024 * 1024);
                arena_reset(arena);
                sample_encoded(&s, kind, &first);
                assert_int_equal(codec_kind(codec, whole(&first), &found, &e), 0);
                assert_int_equal(found, kind);
                if (sample_transcode(codec, kind, whole(&first), arena, &second, &e) < 0)
                        fail_msg("%s", e.text);
                assert_false(first.failed || second.failed);
                assert_true(span_eq(whole(&first), whole(&second)));
        }
}

static void values_survive(void **state)
{
        (void)state;
        struct argument arguments[] = { { SPAN_LIT("days"), SPAN_LIT("90") },
                                        { SPAN_LIT("reason"), SPAN_LIT("") } };
        struct task t = { .type = SPAN_LIT("p.t"),
                          .subject = SPAN_LIT("ana"),
                          .item = SPAN_LIT(""),
                          .scheduled_at = INSTANT_NONE,
                          .dry_run = true,
                          .actor = SPAN_LIT("cli:álvaro"),
                          .arguments = arguments,
                          .n_arguments = 2 },
                    back;
        struct outcome_event o = { .outcome = OUTCOME_QUARANTINED,
                                   .after = SPAN_LIT(""),
                                   .attempt = INT32_MIN,
                                   .sequence = INT64_MAX },
                             o_back;
        struct buf out BUF_CLEANUP;
        struct err e = ERR_INIT;
        buf_init(&out, 4096);
        task_encode(&t, &out);
        assert_int_equal(task_decode(codec, whole(&out), arena, &back, &e), 0);
        assert_true(uuid_is_nil(back.run_id) && back.dry_run && back.scheduled_at == INSTANT_NONE);
        assert_true(span_is(back.type, "p.t") && span_is(back.subject, "ana") &&
                    span_is(back.item, "") && span_is(back.actor, "cli:álvaro"));
        assert_int_equal(back.n_arguments, 2);
        assert_true(span_is(back.arguments[0].value, "90") &&
                    span_is(back.arguments[1].name, "reason"));
        buf_reset(&out);
        outcome_encode(&o, &out);
        assert_int_equal(outcome_decode(codec, whole(&out), arena, &o_back, &e), 0);
        assert_true(o_back.before.ptr == NULL && o_back.after.ptr != NULL && o_back.after.len == 0);
        assert_true(o_back.outcome == OUTCOME_QUARANTINED && o_back.attempt == INT32_MIN &&
                    o_back.sequence == INT64_MAX);
}

static void truncations_are_refused(void **state)
{
        (void)state;
        struct sampler s = { .state = 7, .arena = arena };
        for (int i = 0; i < 40; i++) {
                enum message_kind kind = (enum message_kind)(i % MESSAGE_KIND_COUNT);
                struct buf b BUF_CLEANUP;
                buf_init(&b, 1024 * 1024);
                sample_encoded(&s, kind, &b);
                for (size_t len = 0; len < b.len; len += 1 + b.len / 2000)
                        refused(kind, (struct span){ b.data, len }, "");
                buf_addc(&b, '\0');
                refused(kind, whole(&b), "1 bytes after its end");
                arena_reset(arena);
        }
}

/* Any bytes give a message or an error, nothing else; what is accepted can be written again. */
static void damage_is_harmless(void **state)
{
        (void)state;
        struct sampler s = { .state = 99, .arena = arena };
        for (int i = 0; i < 20000; i++) {
                enum message_kind kind = (enum message_kind)(i % MESSAGE_KIND_COUNT);
                struct buf b BUF_CLEANUP, again BUF_CLEANUP;
                struct err e = ERR_INIT;
                buf_init(&b, 1024 * 1024);
                buf_init(&again, 1024 * 1024);
                arena_reset(arena);
                sample_encoded(&s, kind, &b);
                for (uint64_t n = 1 + sample_number(&s, 4); n; n--)
                        b.data[10 + sample_number(&s, b.len - 10)] = (char)sample_number(&s, 256);
                char *exact = malloc(b.len);
                assert_non_null(exact);
                memcpy(exact, b.data, b.len);
                int r = sample_transcode(codec, kind, (struct span){ exact, b.len }, arena, &again,
                                         &e);
                free(exact);
                assert_true(r == 0 ? !again.failed : e.class == ERR_INPUT);
        }
}

/* A task up to its arguments, as the wire has it. */
static void start_task(struct buf *b, const char *subject, size_t subject_len)
{
        buf_reset(b);
        buf_adds(b, "\xc3\x01");
        for (unsigned i = 0; i < 8; i++)
                buf_addc(b, (char)(specs[MESSAGE_TASK].fingerprint >> 8 * i));
        buf_adds(b, "0123456789abcdef");
        buf_add(b, "\x00\x06p.t", 5);
        uint8_t number[WIRE_LONG_MAX];
        buf_add(b, number, (size_t)(wire_put_long(number, (int64_t)subject_len) - number));
        buf_add(b, subject, strlen(subject));
        buf_add(b, "\x00\x02\x00\x00", 4);
}

static void add_long(struct buf *b, int64_t v)
{
        uint8_t number[WIRE_LONG_MAX];
        buf_add(b, number, (size_t)(wire_put_long(number, v) - number));
}

static void map_blocks(void **state)
{
        (void)state;
        struct buf b BUF_CLEANUP;
        struct task t;
        struct err e = ERR_INIT;
        buf_init(&b, 4096);
        start_task(&b, "ana", 3);
        add_long(&b, -2); /* a block that says its size, then a plain one */
        add_long(&b, 8);
        buf_adds(&b, "\x02"
                     "a"
                     "\x02"
                     "1"
                     "\x02"
                     "b"
                     "\x02"
                     "2");
        add_long(&b, 1);
        buf_add(&b,
                "\x02"
                "c"
                "\x00"
                "\x00",
                4);
        if (task_decode(codec, whole(&b), arena, &t, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(t.n_arguments, 3);
        assert_true(span_is(t.arguments[1].name, "b") && span_is(t.arguments[1].value, "2") &&
                    span_is(t.arguments[2].value, ""));

        static const struct {
                int64_t count, size;
                const char *items, *says;
        } rows[] = {
                { -1, 5,
                  "\x02"
                  "a"
                  "\x02"
                  "1",
                  "ends elsewhere" },
                { -1, 3,
                  "\x02"
                  "a"
                  "\x02"
                  "1",
                  "ends elsewhere" },
                { -1, -4,
                  "\x02"
                  "a"
                  "\x02"
                  "1",
                  "past the end" },
                { -1, INT64_MAX,
                  "\x02"
                  "a"
                  "\x02"
                  "1",
                  "past the end" },
                { INT64_MIN, 4,
                  "\x02"
                  "a"
                  "\x02"
                  "1",
                  "more arguments" },
                { -65, 4,
                  "\x02"
                  "a"
                  "\x02"
                  "1",
                  "more arguments" },
                { -2, 8,
                  "\x02"
                  "a"
                  "\x02"
                  "1"
                  "\x02"
                  "a"
                  "\x02"
                  "2",
                  "given twice" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                start_task(&b, "ana", 3);
                add_long(&b, rows[i].count);
                add_long(&b, rows[i].size);
                buf_adds(&b, rows[i].items);
                add_long(&b, 0);
                refused(MESSAGE_TASK, whole(&b), rows[i].says);
        }
        start_task(&b, "ana", 3);
        add_long(&b, 65);
        refused(MESSAGE_TASK, whole(&b), "more arguments");
        start_task(&b, "ana", 3);
        add_long(&b, INT64_MAX);
        refused(MESSAGE_TASK, whole(&b), "more arguments");
}

static void lengths_are_not_believed(void **state)
{
        (void)state;
        static const struct {
                int64_t len;
                const char *says;
        } rows[] = {
                { INT64_MAX, "past the limit" },
                { INT64_C(1) << 32, "past the limit" },
                { CODEC_TEXT_MAX + 1, "past the limit" },
                { CODEC_TEXT_MAX, "past the end" },
                { 4000, "past the end" },
                { -1, "negative" },
                { INT64_MIN, "negative" },
        };
        struct buf b BUF_CLEANUP;
        buf_init(&b, 4096);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                start_task(&b, "ana", (size_t)rows[i].len);
                buf_addc(&b, '\0');
                refused(MESSAGE_TASK, whole(&b), rows[i].says);
                refused(MESSAGE_TASK, whole(&b), "field subject");
        }
        /* an 11-byte number, and one whose tenth byte has bits past the 64th */
        start_task(&b, "", 0);
        b.len = 10 + 16 + 1;
        buf_adds(&b, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        refused(MESSAGE_TASK, whole(&b), "longer than 64 bits");
}

static void text_must_be_utf8(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                size_t len;
                const char *sanitized; /* NULL: it is fine */
        } rows[] = {
                { "plain", 5, NULL },
                { "a\xc3\xa7\xc3\xa3o", 6, NULL },
                { "\xf4\x8f\xbf\xbf", 4, NULL },
                { "\xed\x9f\xbf", 3, NULL },
                { "\xef\xbf\xbf", 3, NULL },
                { "\x7f\x01", 2, NULL },
                { "eight by", 8, NULL },
                { "longer than eight \xe2\x82\xac", 21, NULL },
                { "\x80", 1, "?" },
                { "a\xc3", 2, "a?" },
                { "\xc0\x80", 2, "??" },
                { "\xc1\xbf", 2, "??" },
                { "\xe0\x9f\xbf", 3, "???" },
                { "\xed\xa0\x80", 3, "???" },
                { "\xf0\x8f\xbf\xbf", 4, "????" },
                { "\xf4\x90\x80\x80", 4, "????" },
                { "\xf5\x80\x80\x80", 4, "????" },
                { "\xe2\x82", 2, "??" },
                { "\xe2(\xa1", 3, "?(?" },
                { "eight by\xff", 9, "eight by?" },
                { "\xff", 1, "?" },
                { "a\0b", 3, "a?b" },
                { "four\0more", 9, "four?more" },
                { "\xc3\xa7\xe2\x82", 4, "\xc3\xa7??" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char text[32];
                memcpy(text, rows[i].text, rows[i].len);
                assert_int_equal(utf8_valid(text, rows[i].len), rows[i].sanitized == NULL);
                utf8_sanitize(text, rows[i].len);
                assert_memory_equal(text, rows[i].sanitized ? rows[i].sanitized : rows[i].text,
                                    rows[i].len);
                assert_true(utf8_valid(text, rows[i].len));
        }
        /* an empty text at a message's end; clang's sanitizer saw NULL + 0 */
        assert_true(utf8_valid(NULL, 0));
        utf8_sanitize(NULL, 0);
        struct buf b BUF_CLEANUP;
        buf_init(&b, 4096);
        start_task(&b, "an\xe3", 3);
        add_long(&b, 0);
        refused(MESSAGE_TASK, whole(&b), "field subject: text that is not UTF-8");
        struct task t = { .subject = SPAN_LIT("an\xe3") }, back;
        buf_reset(&b);
        task_encode(&t, &b);
        assert_int_equal(task_decode(codec, whole(&b), arena, &back, NULL), 0);
        assert_true(span_is(back.subject, "an?"));
}

static void bad_values(void **state)
{
        (void)state;
        struct buf b BUF_CLEANUP;
        buf_init(&b, 4096);
        outcome_encode(&(struct outcome_event){ .outcome = OUTCOME_UNKNOWN }, &b);
        size_t at = FRAME_LEN + 16 + 16 + 1 + 5; /* frame, two ids, no run, five empty texts */
        assert_int_equal(b.data[at], OUTCOME_UNKNOWN * 2);
        b.data[at] = OUTCOME_COUNT * 2;
        refused(MESSAGE_OUTCOME, whole(&b), "field outcome: a symbol that does not exist");
        b.data[at] = 1;
        refused(MESSAGE_OUTCOME, whole(&b), "field outcome: a symbol that does not exist");
        b.data[at] = 0;
        b.data[FRAME_LEN + 32] = 4;
        refused(MESSAGE_OUTCOME, whole(&b), "field run_id: a union branch that does not exist");
        b.data[FRAME_LEN + 32] = 0;
        b.data[at + 5] = 2;
        refused(MESSAGE_OUTCOME, whole(&b), "field dry_run: a boolean");
}

static void foreign_framing(void **state)
{
        (void)state;
        struct buf b BUF_CLEANUP;
        buf_init(&b, 4096);
        refused(MESSAGE_TASK, (struct span){ 0 }, "0 bytes that are not");
        refused(MESSAGE_TASK, SPAN_LIT("{\"task\": 1}"), "not Avro single-object");
        refused(MESSAGE_TASK, ((struct span){ "\0\0\0\1\2rest", 9 }),
                "schema id 258, which is not configured here");
        task_encode(&(struct task){ .actor = { 0 } }, &b);
        refused(MESSAGE_RUN, whole(&b), "a rollcall.Task, but a rollcall.Run is expected");
        b.data[2] ^= 1;
        refused(MESSAGE_TASK, whole(&b), "unknown schema, fingerprint 5c6a92b8cecbea2b");
        b.data[1] = 2;
        refused(MESSAGE_TASK, whole(&b), "not Avro single-object");
}

static void encoding_has_limits(void **state)
{
        (void)state;
        struct buf b BUF_CLEANUP;
        char *large = calloc(1, CODEC_BYTES_MAX + 1);
        assert_non_null(large);
        memset(large, 'x', CODEC_BYTES_MAX + 1);
        struct argument arguments[CODEC_ARGUMENTS_MAX + 1] = { 0 };
        buf_init(&b, 4 * 1024 * 1024);
        task_encode(&(struct task){ .subject = { large, CODEC_TEXT_MAX + 1 } }, &b);
        assert_true(b.failed);
        buf_reset(&b);
        task_encode(&(struct task){ .arguments = arguments, .n_arguments = ARRAY_LEN(arguments) },
                    &b);
        assert_true(b.failed);
        buf_reset(&b);
        dead_letter_encode(&(struct dead_letter){ .value = { large, CODEC_BYTES_MAX + 1 } }, &b);
        assert_true(b.failed);
        buf_reset(&b);
        outcome_encode(&(struct outcome_event){ .outcome = OUTCOME_COUNT }, &b);
        assert_true(b.failed);
        buf_reset(&b);
        dead_letter_encode(&(struct dead_letter){ .reason = { large, CODEC_TEXT_MAX },
                                                  .value = { large, CODEC_BYTES_MAX } },
                           &b);
        assert_false(b.failed);
        struct dead_letter back;
        assert_int_equal(dead_letter_decode(codec, whole(&b), arena, &back, NULL), 0);
        assert_int_equal(back.value.len, CODEC_BYTES_MAX);
        free(large);
}

static void same_uuid(struct uuid u, const char *text)
{
        char got[UUID_TEXT_LEN + 1];
        uuid_to_text(u, got);
        assert_string_equal(got, text);
}

/* The worked examples of docs/messages.md. */
static void ids_are_golden(void **state)
{
        (void)state;
        struct uuid run = run_id_of(SPAN_LIT("equipemed"), SPAN_LIT("check-expiration"),
                                    INT64_C(1795251600000000));
        same_uuid(run, "3963f354-0958-5d40-9a5e-4727b686cf04");
        struct uuid task = task_id_of(run, SPAN_LIT("equipemed.check-expiration"), SPAN_LIT("4711"),
                                      SPAN_LIT(""));
        same_uuid(task, "6b381605-af6f-5238-b319-0410a7351b41");
        same_uuid(task_id_of(run, SPAN_LIT("astegni.purge-role"), SPAN_LIT("ação"),
                             SPAN_LIT("tutor")),
                  "383179ef-69b2-5676-8d2e-0922d5e126d0");
        same_uuid(event_id_of(task, 1, OUTCOME_APPLIED), "d77b17ab-d1c1-59ef-a428-2cebea32e117");
        same_uuid(event_id_of(task, 3, OUTCOME_QUARANTINED),
                  "2f8b4dd7-ad2f-51c5-b125-23c25ec9414f");
        same_uuid(run_id_of((struct span){ 0 }, SPAN_LIT("x"), -1),
                  "a6fa496b-82a5-5f62-b828-2aadc0660e0d");
        same_uuid(task_id_of((struct uuid){ { 0 } }, (struct span){ 0 }, SPAN_LIT("x"),
                             (struct span){ 0 }),
                  "da107015-f502-541a-99eb-f8f80fd6014f");
}

static void names(void **state)
{
        (void)state;
        enum outcome o;
        for (int i = 0; i < OUTCOME_COUNT; i++) {
                assert_true(outcome_parse(span_of(outcome_name((enum outcome)i)), &o));
                assert_int_equal(o, i);
        }
        assert_string_equal(outcome_name(OUTCOME_SKIPPED), "skipped");
        assert_string_equal(outcome_name(OUTCOME_COUNT), "?");
        assert_false(outcome_parse(SPAN_LIT("Applied"), &o));
        assert_string_equal(message_name(MESSAGE_DEAD_LETTER), "rollcall.DeadLetter");
}

/* The constants in spec.c against the shipped texts. */
static void fingerprints(void **state)
{
        (void)state;
        for (int k = 0; k < MESSAGE_KIND_COUNT; k++) {
                struct buf form BUF_CLEANUP;
                struct err e = ERR_INIT;
                buf_init(&form, 64 * 1024);
                if (schema_canonical(span_of(specs[(enum message_kind)k].schema), &form, &e) < 0)
                        fail_msg("%s", e.text);
                uint64_t found = schema_fingerprint(whole(&form)),
                         known = specs[(enum message_kind)k].fingerprint;
                if (found != known)
                        fail_msg("%s: the schema's fingerprint is 0x%016llx",
                                 message_name((enum message_kind)k), (unsigned long long)found);
        }
}

static void header_is(const struct event_headers *h, size_t i, const char *name, const char *value)
{
        assert_true(i < h->count);
        assert_string_equal(h->list[i].name, name);
        assert_true(span_is(h->list[i].value, value));
}

static void cloud_event_headers(void **state)
{
        (void)state;
        struct event_headers h;
        struct uuid id, trace;
        assert_true(uuid_parse("6b381605-af6f-5238-b319-0410a7351b41", 36, &id));
        assert_true(uuid_parse("3963f354-0958-5d40-9a5e-4727b686cf04", 36, &trace));
        event_headers(MESSAGE_TASK, id, trace, "/rollcall/scheduler", &h);
        assert_int_equal(h.count, EVENT_HEADERS);
        header_is(&h, 0, "ce_specversion", "1.0");
        header_is(&h, 1, "ce_id", "6b381605-af6f-5238-b319-0410a7351b41");
        header_is(&h, 2, "ce_type", "rollcall.task.v1");
        header_is(&h, 3, "ce_source", "/rollcall/scheduler");
        header_is(&h, 4, "traceparent", "00-3963f35409585d409a5e4727b686cf04-6b381605af6f5238-01");
        event_headers(MESSAGE_DEAD_LETTER, id, (struct uuid){ { 0 } }, "/rollcall/worker", &h);
        assert_int_equal(h.count, EVENT_HEADERS - 1);
        header_is(&h, 2, "ce_type", "rollcall.dead-letter.v1");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(round_trips),
                cmocka_unit_test(values_survive),
                cmocka_unit_test(truncations_are_refused),
                cmocka_unit_test(damage_is_harmless),
                cmocka_unit_test(map_blocks),
                cmocka_unit_test(lengths_are_not_believed),
                cmocka_unit_test(text_must_be_utf8),
                cmocka_unit_test(bad_values),
                cmocka_unit_test(foreign_framing),
                cmocka_unit_test(encoding_has_limits),
                cmocka_unit_test(ids_are_golden),
                cmocka_unit_test(names),
                cmocka_unit_test(fingerprints),
                cmocka_unit_test(cloud_event_headers),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}

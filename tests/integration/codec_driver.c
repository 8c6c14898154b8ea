/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What test_schemas.py tests of the codec:
 *   codec_driver fingerprints            "rollcall.Task 5c6a…" for each message
 *   codec_driver ids PACK JOB MICROSECONDS TYPE SUBJECT ITEM ATTEMPT OUTCOME   run id, task id,
 * event id codec_driver encode KIND SEED COUNT  random messages of kind 0 to 3, one in hexadecimal
 * per line codec_driver decode [FOLDER]         lines of hexadecimal on standard input to lines of
 * JSON; FOLDER: further writer schemas codec_driver bench                   messages per second
 */
#include "codec/spec.h"
#include "codec_samples.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4 * 1024 * 1024, ARENA_MAX = 16 * 1024 * 1024 };

static int fingerprints(void)
{
        for (int k = 0; k < MESSAGE_KIND_COUNT; k++)
                printf("%s %016" PRIx64 "\n", message_name((enum message_kind)k),
                       specs[(enum message_kind)k].fingerprint);
        return 0;
}

static void print_uuid(struct uuid u)
{
        char text[UUID_TEXT_LEN + 1];
        uuid_to_text(u, text);
        puts(text);
}

static int ids(char **v)
{
        enum outcome o;
        if (!outcome_parse(span_of(v[7]), &o))
                return 2;
        struct uuid run = run_id_of(span_of(v[0]), span_of(v[1]), strtoll(v[2], NULL, 10));
        struct uuid task = task_id_of(run, span_of(v[3]), span_of(v[4]), span_of(v[5]));
        print_uuid(run);
        print_uuid(task);
        print_uuid(event_id_of(task, (int32_t)atoi(v[6]), o));
        return 0;
}

static int encode(enum message_kind kind, uint64_t seed, long count)
{
        struct sampler s = { .state = seed, .arena = arena_new(ARENA_MAX) };
        struct buf b BUF_CLEANUP;
        buf_init(&b, LINE_MAX_BYTES);
        for (long i = 0; i < count && s.arena; i++) {
                buf_reset(&b);
                arena_reset(s.arena);
                sample_encoded(&s, kind, &b);
                for (size_t k = 0; k < b.len; k++)
                        printf("%02x", (unsigned char)b.data[k]);
                putchar('\n');
        }
        arena_free(s.arena);
        return 0;
}

static json_t *text(struct span s)
{
        return s.ptr ? json_stringn(s.ptr, s.len) : json_null();
}

static json_t *hex(struct span s)
{
        struct buf b BUF_CLEANUP;
        buf_init(&b, LINE_MAX_BYTES);
        for (size_t i = 0; i < s.len; i++)
                buf_addf(&b, "%02x", (unsigned char)s.ptr[i]);
        return s.ptr ? json_string(buf_str(&b)) : json_null();
}

static json_t *value(const struct field *f, const void *m)
{
        const void *v = (const char *)m + f->offset;
        char id[UUID_TEXT_LEN + 1];
        switch (f->type) {
        case FIELD_UUID:
        case FIELD_UUID_NULL:
                uuid_to_text(*(const struct uuid *)v, id);
                return f->type == FIELD_UUID_NULL && uuid_is_nil(*(const struct uuid *)v)
                               ? json_null()
                               : json_string(id);
        case FIELD_TEXT:
        case FIELD_TEXT_NULL:
                return text(*(const struct span *)v);
        case FIELD_BYTES_NULL:
                return hex(*(const struct span *)v);
        case FIELD_LONG:
                return json_integer(*(const int64_t *)v);
        case FIELD_INT:
                return json_integer(*(const int32_t *)v);
        case FIELD_BOOL:
                return json_boolean(*(const bool *)v);
        case FIELD_OUTCOME:
                return json_string(outcome_name(*(const enum outcome *)v));
        case FIELD_ARGUMENTS: {
                const struct task *t = m;
                json_t *map = json_object();
                for (size_t i = 0; i < t->n_arguments; i++)
                        json_object_setn_new(map, t->arguments[i].name.ptr,
                                             t->arguments[i].name.len, text(t->arguments[i].value));
                return map;
        }
        }
        return json_null();
}

static void print_message(enum message_kind kind, const void *m)
{
        json_t *o = json_object();
        for (size_t i = 0; i < specs[kind].n_fields; i++)
                json_object_set_new(o, specs[kind].fields[i].name,
                                    value(&specs[kind].fields[i], m));
        json_t *line = json_pack("{s:s, s:o}", "message", specs[kind].name, "value", o);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
}

static int decode_one(struct codec *c, struct span bytes, struct arena *a, struct err *e)
{
        union {
                struct task task;
                struct outcome_event outcome;
                struct run_event run;
                struct dead_letter dead_letter;
        } m;
        enum message_kind kind;
        if (codec_kind(c, bytes, &kind, e) < 0)
                return -1;
        int r = kind == MESSAGE_TASK      ? task_decode(c, bytes, a, &m.task, e)
                : kind == MESSAGE_OUTCOME ? outcome_decode(c, bytes, a, &m.outcome, e)
                : kind == MESSAGE_RUN     ? run_decode(c, bytes, a, &m.run, e)
                                          : dead_letter_decode(c, bytes, a, &m.dead_letter, e);
        if (r == 0)
                print_message(kind, &m);
        return r;
}

static int nibble(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t from_hex(char *line)
{
        size_t n = 0;
        for (; nibble(line[2 * n]) >= 0 && nibble(line[2 * n + 1]) >= 0; n++)
                line[n] = (char)(nibble(line[2 * n]) << 4 | nibble(line[2 * n + 1]));
        return n;
}

static int decode(const char *folder)
{
        struct codec *c CLEANUP(codec_cleanup) = NULL;
        struct arena *a CLEANUP(arena_cleanup) = arena_new(ARENA_MAX);
        struct err e = ERR_INIT;
        char *line CLEANUP(cleanup_free) = NULL;
        size_t cap = 0;
        if (!a || codec_new(folder, &c, &e) < 0) {
                fprintf(stderr, "%s\n", e.text);
                return 1;
        }
        for (ssize_t len; (len = getline(&line, &cap, stdin)) > 0; arena_reset(a)) {
                struct span bytes = { line, from_hex(line) };
                if (decode_one(c, bytes, a, &e) < 0)
                        printf("error %s: %s\n", err_class_name(e.class), e.text);
        }
        return 0;
}

static double per_second(int64_t started_ms, long count)
{
        return (double)count * 1000 / (double)(monotonic_ms() - started_ms + 1);
}

static int bench(void)
{
        enum { COUNT = 10 * 1000 * 1000 };
        struct codec *c CLEANUP(codec_cleanup) = NULL;
        struct arena *a CLEANUP(arena_cleanup) = arena_new(ARENA_MAX);
        struct buf b BUF_CLEANUP;
        struct argument days = { SPAN_LIT("days"), SPAN_LIT("90") };
        struct task t = { .run_id = { { 1 } },
                          .type = SPAN_LIT("equipemed.check-expiration"),
                          .subject = SPAN_LIT("1234567"),
                          .item = SPAN_LIT(""),
                          .scheduled_at = INT64_C(1795251600000000),
                          .actor = SPAN_LIT("scheduler"),
                          .arguments = &days,
                          .n_arguments = 1 };
        buf_init(&b, 4096);
        if (!a || codec_new(NULL, &c, NULL) < 0)
                return 1;
        int64_t started = monotonic_ms();
        for (long i = 0; i < COUNT; i++) {
                buf_reset(&b);
                t.scheduled_at += i;
                task_encode(&t, &b);
        }
        printf("encode %.0f/s, %zu bytes\n", per_second(started, COUNT), b.len);
        started = monotonic_ms();
        for (long i = 0; i < COUNT; i++) {
                if (i % 1000 == 0)
                        arena_reset(a);
                if (task_decode(c, (struct span){ b.data, b.len }, a, &t, NULL) < 0)
                        return 1;
        }
        printf("decode %.0f/s\n", per_second(started, COUNT));
        return 0;
}

int main(int argc, char **argv)
{
        const char *what = argc > 1 ? argv[1] : "";
        if (strcmp(what, "fingerprints") == 0)
                return fingerprints();
        if (strcmp(what, "ids") == 0 && argc == 10)
                return ids(argv + 2);
        if (strcmp(what, "encode") == 0 && argc == 5 && argv[2][0] >= '0' &&
            argv[2][0] < '0' + MESSAGE_KIND_COUNT)
                return encode((enum message_kind)(argv[2][0] - '0'), strtoull(argv[3], NULL, 10),
                              atol(argv[4]));
        if (strcmp(what, "decode") == 0)
                return decode(argc > 2 ? argv[2] : NULL);
        if (strcmp(what, "bench") == 0)
                return bench();
        fprintf(stderr, "usage: codec_driver fingerprints | ids … | encode KIND SEED COUNT | "
                        "decode [FOLDER] | bench\n");
        return 2;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation failures in the core: each scenario runs once undisturbed, then again and again with
 * its first, second, … allocation failing, alone or with all that follow. It must then either say
 * "fatal" (never "input": a task is not to blame for a full memory), or come to the same result.
 * Leaks are for the run under AddressSanitizer. Only allocations of our own code fail: libraries
 * have their own ways.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../producer/cli/csv.h"
#include "aggregator/fold.h"
#include "batch.h"
#include "codec_samples.h"
#include "ledger/ledger.h"
#include "mail/message.h"
#include "pack/pack_load.h"
#include "pack/statement.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* the first 300 one by one, then every seventh */
enum { ALLOCATIONS_MAX = 20000, DENSE = 300, SPARSE = 7 };

static struct {
        long countdown; /* the allocation after so many fails; negative: none */
        bool all;       /* and all that follow */
        bool failed;
} torture = { .countdown = -1 };

static bool refuse(void)
{
        if (torture.countdown < 0)
                return false;
        if (torture.countdown > 0) {
                torture.countdown--;
                return false;
        }
        torture.failed = true;
        if (!torture.all)
                torture.countdown = -1;
        return true;
}

/* What the linker's --wrap calls ours and the C library's. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t size)
{
        return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
        return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
        return refuse() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
        return refuse() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
        return refuse() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
        return refuse() ? NULL : __real_strndup(s, n);
}

/* ---- what a scenario came to, without allocating ---- */

static uint64_t digest;

static void note(const void *data, size_t len)
{
        const unsigned char *p = data;
        for (size_t i = 0; i < len; i++)
                digest = (digest ^ p[i]) * UINT64_C(0x100000001b3);
}

static int note_buf(const struct buf *b, struct err *e)
{
        if (b->failed)
                return err_oom(e);
        note(buf_str(b), b->len);
        return 0;
}

/* ---- scenarios: 0, or -1 with the error ---- */

static int own_messages(struct err *e)
{
        struct codec *c CLEANUP(codec_cleanup) = NULL;
        struct arena *a CLEANUP(arena_cleanup) = arena_new(1 << 20);
        struct buf message BUF_CLEANUP, again BUF_CLEANUP;
        buf_init(&message, 1 << 20);
        buf_init(&again, 1 << 20);
        if (!a)
                return err_oom(e);
        if (codec_new(NULL, &c, e) < 0)
                return -1;
        for (int kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
                struct sampler s = { .state = 7, .arena = a };
                struct task t = { .type = SPAN_LIT("p.t"),
                                  .subject = SPAN_LIT("4711"),
                                  .arguments = (struct argument[]){ { SPAN_LIT("a"),
                                                                      SPAN_LIT("b") } },
                                  .n_arguments = 1 };
                buf_reset(&message);
                if (kind == MESSAGE_TASK)
                        task_encode(&t, &message);
                else
                        sample_encoded(&s, (enum message_kind)kind, &message);
                if (message.failed)
                        return err_oom(e);
                struct span bytes = { buf_str(&message), message.len };
                if (sample_transcode(c, (enum message_kind)kind, bytes, a, &again, e) < 0)
                        return -1;
        }
        return note_buf(&again, e);
}

/* A task as a newer version writes it, through avro-c. */
static int foreign_messages(struct err *e)
{
        static const char body[] = "\x00"               /* trail */
                                   "\x02\x02x\x02y\x00" /* arguments */
                                   "\x08"
                                   "4711"             /* subject */
                                   "\x02"             /* scheduled_at */
                                   "\x02"             /* run_id: null */
                                   "\x00"             /* priority */
                                   "0123456789abcdef" /* task_id */
                                   "\x06p.t";
        struct codec *c CLEANUP(codec_cleanup) = NULL;
        struct arena *a CLEANUP(arena_cleanup) = arena_new(1 << 20);
        struct task t;
        /* the schema's fingerprint */
        char bytes[10 + sizeof body - 1] = "\xc3\x01"
                                           "\x50\xc4\x86\xed\x70\x98\x77\x89";
        memcpy(bytes + 10, body, sizeof body - 1);
        if (!a)
                return err_oom(e);
        if (codec_new(SOURCE_DIR "/tests/fuzz/schemas", &c, e) < 0 ||
            task_decode(c, (struct span){ bytes, sizeof bytes }, a, &t, e) < 0)
                return -1;
        note(t.subject.ptr, t.subject.len);
        note(t.arguments[0].value.ptr, t.arguments[0].value.len);
        return 0;
}

static struct span same(void *ctx, struct span name)
{
        (void)ctx;
        return name;
}

static int templates(struct err *e)
{
        struct template *t CLEANUP(template_cleanup) = NULL;
        struct buf out BUF_CLEANUP;
        buf_init(&out, 1 << 20);
        if (template_parse("t",
                           SPAN_LIT("Dear {{name}},\n{{#late}}\nyour {{{thing}}} "
                                    "<{{thing}}>\n{{/late}}\n{{^late}}x{{/late}}"),
                           TEMPLATE_HTML, &t, e) < 0)
                return -1;
        template_render(t, same, NULL, &out);
        return note_buf(&out, e);
}

static int times(struct err *e)
{
        struct zone *z CLEANUP(zone_cleanup) = NULL;
        struct cron c;
        if (cron_parse("30 2 * * sun", &c, e) < 0 || zone_load("America/Sao_Paulo", &z, e) < 0)
                return -1;
        instant next = cron_next(&c, z, INT64_C(1795251600) * INSTANT_SECOND);
        note(&next, sizeof next);
        return 0;
}

static int configuration(struct err *e)
{
        struct service *s CLEANUP(service_cleanup) = NULL;
        struct buf out BUF_CLEANUP;
        buf_init(&out, 1 << 20);
        if (service_load(SOURCE_DIR "/config/rollcall.cfg", &s, e) < 0)
                return -1;
        service_print(s, &out);
        return note_buf(&out, e);
}

static int packs_and_statements(struct err *e)
{
        struct service *s CLEANUP(service_cleanup) = NULL;
        struct packs *p CLEANUP(packs_cleanup) = NULL;
        struct arena *a CLEANUP(arena_cleanup) = arena_new(1 << 20);
        if (!a)
                return err_oom(e);
        if (service_load(SOURCE_DIR "/config/rollcall-development.cfg", &s, e) < 0 ||
            packs_load(s, &p, e) < 0)
                return -1;
        for (size_t i = 0; i < p->n; i++) {
                struct setting_value *values;
                size_t n;
                if (settings_resolve(p->list[i], NULL, NULL, 0, a, &values, &n, e) < 0)
                        return -1;
                note(&n, sizeof n);
                for (size_t k = 0; k < p->list[i]->n_types; k++) {
                        struct bound_sql b = { 0 };
                        const struct sql_file *f = &p->list[i]->types[k].statement;
                        int rc = f->text ? sql_bind_own_time(f, p->list[i], NULL, 0, 1, &b, e) : 0;
                        if (rc == 0 && f->text)
                                note(b.text, strlen(b.text));
                        bound_sql_deinit(&b);
                        if (rc < 0)
                                return -1;
                }
        }
        return 0;
}

static int folding(struct err *e)
{
        static const struct fold_limits limits = { .memory_max = 1 << 20,
                                                   .reasons_max = 5,
                                                   .errors_max = 3,
                                                   .sequences_max = 10,
                                                   .seed = 1 };
        struct fold *f CLEANUP(fold_cleanup) = NULL;
        struct fold_changes c;
        if (fold_new(&limits, &f, e) < 0)
                return -1;
        for (int i = 1; i <= 40; i++) {
                struct outcome_event m = {
                        .run_id = { { (uint8_t)(i % 3) } },
                        .pack = SPAN_LIT("p"),
                        .job = SPAN_LIT("j"),
                        .type = SPAN_LIT("p.t"),
                        .subject = SPAN_LIT("u"),
                        .item = SPAN_LIT(""),
                        .outcome = i % 4 ? OUTCOME_APPLIED : OUTCOME_FAILED,
                        .reason = i % 2 ? SPAN_LIT("a") : SPAN_LIT("b"),
                        .at = i * INSTANT_SECOND,
                        .attempt = 1,
                        .source_topic = i % 5 ? SPAN_LIT("x") : SPAN_LIT("y"),
                        .source_partition = i % 2,
                        .sequence = i,
                };
                enum fold_result rc = fold_event(f, 1, &m, e);
                if (rc == FOLD_FULL)
                        return err_oom(e); /* here: no memory, since the limit is far */
                if (rc == FOLD_REFUSED)
                        return -1;
        }
        fold_changes(f, &c);
        note(&c.counted, sizeof c.counted);
        note(&c.n_errors, sizeof c.n_errors);
        fold_commit(f);
        return 0;
}

static int dividing(struct err *e)
{
        static struct pack pack = { .name = "p", .subject_type = VALUE_TEXT };
        static struct task_type type = {
                .pack = &pack, .name = "t", .full_name = "p.t", .subject_type = VALUE_TEXT
        };
        struct arena *a CLEANUP(arena_cleanup) = arena_new(1 << 20);
        struct entry list[60];
        char names[60][8];
        if (!a)
                return err_oom(e);
        for (size_t i = 0; i < ARRAY_LEN(list); i++) {
                snprintf(names[i], sizeof names[i], "%zu", i * 7 % 20);
                list[i] = (struct entry){ .state = ENTRY_READY,
                                          .type = &type,
                                          .task.subject = span_of(names[i]) };
        }
        struct batch b = { .arena = a, .entries = list, .n = ARRAY_LEN(list) };
        if (batch_group(&b, ENTRY_READY, e) < 0)
                return -1;
        for (size_t i = 0; i < b.n_groups; i++)
                note(&b.groups[i].n, sizeof b.groups[i].n);
        return 0;
}

static int reports(struct err *e)
{
        for (int format = REPORT_TABLE; format <= REPORT_CSV; format++) {
                struct buf out BUF_CLEANUP;
                buf_init(&out, 1 << 20);
                if (report_render("T",
                                  SPAN_LIT("{\"a\": 1, \"rows\": [{\"x\": \"=1\", \"y\": [1, 2]}, "
                                           "{\"z\": {\"k\": null}}], \"s\": {\"t\": true}}"),
                                  (enum report_format)format, &out, e) < 0 ||
                    note_buf(&out, e) < 0)
                        return -1;
        }
        return 0;
}

static int mails(struct err *e)
{
        struct buf out BUF_CLEANUP;
        struct mail m = { .from_name = SPAN_LIT("Ação"),
                          .from_address = SPAN_LIT("a@example.org"),
                          .to_name = SPAN_LIT("B"),
                          .to_address = SPAN_LIT("b@example.org"),
                          .subject = SPAN_LIT("Sua conta expira amanhã"),
                          .text = SPAN_LIT("Olá\n"),
                          .html = SPAN_LIT("<p>Olá</p>"),
                          .message_id = SPAN_LIT("x@y") };
        buf_init(&out, 1 << 20);
        return mail_render(&m, &out, e) < 0 ? -1 : note_buf(&out, e);
}

static int csv_records(struct err *e)
{
        static char text[] = "subject,reason\n4711,\"a, \"\"b\"\"\"\n4712,x\n";
        FILE *f = fmemopen(text, sizeof text - 1, "r");
        assert_non_null(f);
        struct csv *c = csv_new(f);
        int rc = c ? 1 : err_oom(e);
        while (rc > 0) {
                const char *const *fields;
                size_t n = 0;
                rc = csv_next(c, &fields, &n, e);
                for (size_t i = 0; rc > 0 && i < n; i++)
                        note(fields[i], strlen(fields[i]));
        }
        csv_free(c);
        fclose(f);
        return rc;
}

static int arguments(struct err *e)
{
        struct arena *a CLEANUP(arena_cleanup) = arena_new(1 << 20);
        struct buf json BUF_CLEANUP;
        struct setting_value *list;
        size_t n;
        buf_init(&json, 1 << 20);
        if (!a)
                return err_oom(e);
        arguments_to_json((struct argument[]){ { SPAN_LIT("a\""), SPAN_LIT("\n") },
                                               { SPAN_LIT("b"), SPAN_LIT("ç") } },
                          2, &json);
        if (json.failed)
                return err_oom(e);
        if (settings_from_json((struct span){ buf_str(&json), json.len }, a, &list, &n, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                note(list[i].value, strlen(list[i].value));
        return 0;
}

/* ---- the torture ---- */

static uint64_t run_once(int (*scenario)(struct err *), long countdown, bool all, int *ret_rc,
                         struct err *e)
{
        *e = (struct err)ERR_INIT;
        digest = UINT64_C(0xcbf29ce484222325);
        torture.countdown = countdown;
        torture.all = all;
        torture.failed = false;
        *ret_rc = scenario(e);
        torture.countdown = -1;
        return digest;
}

static void survives(void **state)
{
        int (*scenario)(struct err *) = *(int (**)(struct err *))*state;
        struct err e;
        int rc;
        uint64_t good = run_once(scenario, -1, false, &rc, &e);
        if (rc < 0)
                fail_msg("undisturbed: %s", e.text);
        for (int all = 0; all < 2; all++)
                for (long i = 0; i < ALLOCATIONS_MAX; i += i < DENSE ? 1 : SPARSE) {
                        uint64_t got = run_once(scenario, i, all, &rc, &e);
                        if (!torture.failed)
                                break;
                        if (rc == 0 && got != good)
                                fail_msg("allocation %ld%s: no error, but another result", i,
                                         all ? " and all after it" : "");
                        if (rc < 0 && (e.class != ERR_FATAL || !e.text[0]))
                                fail_msg("allocation %ld%s: class %s, \"%s\"", i,
                                         all ? " and all after it" : "", err_class_name(e.class),
                                         e.text);
                }
        assert_true(run_once(scenario, -1, false, &rc, &e) == good);
}

int main(void)
{
        static int (*const list[])(struct err *) = {
                own_messages,         foreign_messages, templates, times,   configuration,
                packs_and_statements, folding,          dividing,  reports, mails,
                csv_records,          arguments
        };
        static const char *const names[] = { "own messages",  "foreign messages",
                                             "templates",     "times",
                                             "configuration", "packs and statements",
                                             "folding",       "dividing",
                                             "reports",       "mails",
                                             "CSV",           "arguments" };
        struct CMUnitTest tests[ARRAY_LEN(list)];
        for (size_t i = 0; i < ARRAY_LEN(list); i++)
                tests[i] = (struct CMUnitTest){ .name = names[i],
                                                .test_func = survives,
                                                .initial_state = (void *)(uintptr_t)&list[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_samples.h"

#include <string.h>

/* xorshift64* */
static uint64_t next(struct sampler *s)
{
        s->state ^= s->state >> 12;
        s->state ^= s->state << 25;
        s->state ^= s->state >> 27;
        return s->state * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t sample_number(struct sampler *s, uint64_t below)
{
        return (next(s) >> 16) % below;
}

/* Small, large and extreme numbers alike. */
static int64_t any_long(struct sampler *s)
{
        uint64_t v = next(s);
        return (int64_t)v >> sample_number(s, 64);
}

static int32_t any_int(struct sampler *s)
{
        return (int32_t)(any_long(s) >> 32);
}

static bool coin(struct sampler *s)
{
        return sample_number(s, 2);
}

static struct uuid any_uuid(struct sampler *s)
{
        struct uuid u;
        for (size_t i = 0; i < sizeof u.b; i++)
                u.b[i] = (uint8_t)(next(s) >> 24);
        return u;
}

static struct span any_text(struct sampler *s)
{
        static const char *const characters[] = { "a",
                                                  "Z",
                                                  "0",
                                                  " ",
                                                  "\t",
                                                  "\n",
                                                  "\"",
                                                  "\\",
                                                  "'",
                                                  "\x7f",
                                                  "ç",
                                                  "ã",
                                                  "ß",
                                                  "я",
                                                  "漢",
                                                  "€",
                                                  "\xf0\x9f\x93\x8b" };
        char text[400];
        size_t len = 0, want = coin(s) ? sample_number(s, 12) : sample_number(s, sizeof text - 4);
        bool plain = coin(s);
        while (len < want) {
                const char *c = characters[sample_number(s, plain ? 3 : ARRAY_LEN(characters))];
                memcpy(text + len, c, strlen(c));
                len += strlen(c);
        }
        return (struct span){ arena_strndup(s->arena, text, len), len };
}

static struct span any_text_null(struct sampler *s)
{
        return coin(s) ? any_text(s) : (struct span){ 0 };
}

static struct span any_bytes_null(struct sampler *s)
{
        char bytes[300];
        size_t len = sample_number(s, sizeof bytes);
        if (coin(s))
                return (struct span){ 0 };
        for (size_t i = 0; i < len; i++)
                bytes[i] = (char)(next(s) >> 24);
        return (struct span){ arena_strndup(s->arena, bytes, len), len };
}

/* No name twice. */
static void any_arguments(struct sampler *s, struct task *t)
{
        t->n_arguments = coin(s) ? sample_number(s, 4) : sample_number(s, CODEC_ARGUMENTS_MAX + 1);
        t->arguments = arena_alloc(s->arena, CODEC_ARGUMENTS_MAX * sizeof *t->arguments);
        for (size_t i = 0; i < t->n_arguments; i++) {
                struct span name = any_text(s);
                char *unique = arena_alloc(s->arena, name.len + 2);
                memcpy(unique, name.ptr, name.len);
                memcpy(unique + name.len, (char[]){ (char)('A' + i % 8), (char)('a' + i / 8) }, 2);
                t->arguments[i] = (struct argument){ { unique, name.len + 2 }, any_text(s) };
        }
}

void sample_task(struct sampler *s, struct task *ret)
{
        *ret = (struct task){
                .task_id = any_uuid(s),
                .run_id = coin(s) ? any_uuid(s) : (struct uuid){ { 0 } },
                .type = any_text(s),
                .subject = any_text(s),
                .item = any_text(s),
                .scheduled_at = any_long(s),
                .dry_run = coin(s),
                .actor = any_text(s),
        };
        any_arguments(s, ret);
}

void sample_outcome(struct sampler *s, struct outcome_event *ret)
{
        *ret = (struct outcome_event){
                .event_id = any_uuid(s),
                .task_id = any_uuid(s),
                .run_id = coin(s) ? any_uuid(s) : (struct uuid){ { 0 } },
                .pack = any_text(s),
                .job = any_text(s),
                .type = any_text(s),
                .subject = any_text(s),
                .item = any_text(s),
                .outcome = (enum outcome)sample_number(s, OUTCOME_COUNT),
                .reason = any_text(s),
                .before = any_text_null(s),
                .after = any_text_null(s),
                .at = any_long(s),
                .dry_run = coin(s),
                .actor = any_text(s),
                .attempt = any_int(s),
                .source_topic = any_text(s),
                .source_partition = any_int(s),
                .source_offset = any_long(s),
                .sequence = any_long(s),
                .replaces = any_text_null(s),
        };
}

void sample_run(struct sampler *s, struct run_event *ret)
{
        *ret = (struct run_event){
                .event_id = any_uuid(s),
                .run_id = any_uuid(s),
                .pack = any_text(s),
                .job = any_text(s),
                .scheduled_at = any_long(s),
                .state = any_text(s),
                .dry_run = coin(s),
                .actor = any_text(s),
                .planned = any_long(s),
                .reason = any_text(s),
                .at = any_long(s),
        };
        for (int i = 0; i < OUTCOME_COUNT; i++)
                ret->counts[i] = any_long(s);
}

void sample_dead_letter(struct sampler *s, struct dead_letter *ret)
{
        *ret = (struct dead_letter){
                .event_id = any_uuid(s),
                .topic = any_text(s),
                .partition = any_int(s),
                .offset = any_long(s),
                .reason = any_text(s),
                .attempts = any_int(s),
                .at = any_long(s),
                .key = any_bytes_null(s),
                .value = any_bytes_null(s),
        };
}

union message {
        struct task task;
        struct outcome_event outcome;
        struct run_event run;
        struct dead_letter dead_letter;
};

static void encode(enum message_kind kind, const union message *m, struct buf *out)
{
        switch (kind) {
        case MESSAGE_TASK:
                task_encode(&m->task, out);
                break;
        case MESSAGE_OUTCOME:
                outcome_encode(&m->outcome, out);
                break;
        case MESSAGE_RUN:
                run_encode(&m->run, out);
                break;
        default:
                dead_letter_encode(&m->dead_letter, out);
        }
}

void sample_encoded(struct sampler *s, enum message_kind kind, struct buf *out)
{
        union message m;
        switch (kind) {
        case MESSAGE_TASK:
                sample_task(s, &m.task);
                break;
        case MESSAGE_OUTCOME:
                sample_outcome(s, &m.outcome);
                break;
        case MESSAGE_RUN:
                sample_run(s, &m.run);
                break;
        default:
                sample_dead_letter(s, &m.dead_letter);
        }
        encode(kind, &m, out);
}

int sample_transcode(struct codec *c, enum message_kind kind, struct span bytes, struct arena *a,
                     struct buf *again, struct err *e)
{
        union message m;
        int r = kind == MESSAGE_TASK      ? task_decode(c, bytes, a, &m.task, e)
                : kind == MESSAGE_OUTCOME ? outcome_decode(c, bytes, a, &m.outcome, e)
                : kind == MESSAGE_RUN     ? run_decode(c, bytes, a, &m.run, e)
                                          : dead_letter_decode(c, bytes, a, &m.dead_letter, e);
        if (r == 0)
                encode(kind, &m, again);
        return r;
}

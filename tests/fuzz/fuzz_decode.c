/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: one byte chooses kind and framing, the rest is a body behind a good frame, or
 * everything. What decodes must survive being written again. */
#include "codec/canonical.h"
#include "codec/codec.h"
#include "codec/spec.h"
#include "fuzz.h"

#include "codec_samples.h"

enum { SCHEMAS_MAX = 16 };

static struct codec *codec;
static struct arena *arena;
static uint8_t frames[SCHEMAS_MAX][10];
static size_t n_frames;

static void add_frame(uint64_t fingerprint)
{
        uint8_t *f = frames[n_frames++];
        f[0] = 0xc3;
        f[1] = 0x01;
        for (int i = 0; i < 8; i++)
                f[2 + i] = (uint8_t)(fingerprint >> 8 * i);
}

/* Writers of other versions. */
static void add_foreign(const char *name)
{
        struct buf text BUF_CLEANUP, form BUF_CLEANUP;
        struct err e = ERR_INIT;
        char path[4096];
        buf_init(&text, 65536);
        buf_init(&form, 65536);
        snprintf(path, sizeof path, "%s/%s", SCHEMA_FOLDER, name);
        FILE *f = fopen(path, "re");
        PROMISE(f);
        for (int c; (c = getc(f)) != EOF;)
                buf_addc(&text, (char)c);
        fclose(f);
        PROMISE(schema_canonical((struct span){ buf_str(&text), text.len }, &form, &e) == 0);
        add_frame(schema_fingerprint((struct span){ buf_str(&form), form.len }));
}

static void finish(void)
{
        codec_free(codec);
        arena_free(arena);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        struct err e = ERR_INIT;
        (void)argc;
        (void)argv;
        PROMISE(codec_new(SCHEMA_FOLDER, &codec, &e) == 0);
        arena = arena_new(4 * 1024 * 1024);
        PROMISE(arena);
        atexit(finish);
        for (int kind = 0; kind < MESSAGE_KIND_COUNT; kind++)
                add_frame(specs[(enum message_kind)kind].fingerprint);
        add_foreign("newer-task.avsc");
        add_foreign("audit.avsc");
        return 0;
}

static void again(enum message_kind kind, struct span message)
{
        struct buf one BUF_CLEANUP, two BUF_CLEANUP;
        struct err e = ERR_INIT;
        buf_init(&one, 8 * 1024 * 1024);
        buf_init(&two, 8 * 1024 * 1024);
        if (sample_transcode(codec, kind, message, arena, &one, &e) < 0) {
                PROMISE(e.class == ERR_INPUT || e.class == ERR_FATAL);
                PROMISE(e.text[0]);
                return;
        }
        PROMISE(!one.failed);
        struct span first = { buf_str(&one), one.len };
        PROMISE(sample_transcode(codec, kind, first, arena, &two, &e) == 0);
        PROMISE(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        size_t which = data[0] % (n_frames + 1), frame = which < n_frames ? 10 : 0,
               len = frame + size - 1;
        char *message = malloc(len + 1); /* exactly as large as the message, but for an empty one */
        enum message_kind kind;
        struct err e = ERR_INIT;
        PROMISE(message);
        if (frame)
                memcpy(message, frames[which], frame);
        memcpy(message + frame, data + 1, size - 1);
        char *exact = realloc(message, len ? len : 1);
        PROMISE(exact);
        struct span s = { exact, len };
        if (codec_kind(codec, s, &kind, &e) == 0)
                again(kind, s);
        else
                PROMISE(e.class == ERR_INPUT);
        arena_reset(arena);
        free(exact);
        return 0;
}

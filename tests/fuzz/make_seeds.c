/* SPDX-License-Identifier: Apache-2.0 */
/* make_seeds FOLDER: messages of every kind for fuzz_decode, from the unit tests' samples. */
#include "base/cleanup.h"
#include "codec_samples.h"

#include <stdio.h>
#include <stdlib.h>

enum { PER_KIND = 8 };

static int write_one(const char *folder, int kind, int i, struct span body)
{
        char path[4096];
        snprintf(path, sizeof path, "%s/kind-%d-%d", folder, kind, i);
        FILE *f = fopen(path, "we");
        if (!f)
                return -1;
        putc(kind, f);
        fwrite(body.ptr, 1, body.len, f);
        return fclose(f);
}

int main(int argc, char **argv)
{
        struct sampler s = { .state = 1, .arena = arena_new(1024 * 1024) };
        struct buf out BUF_CLEANUP;
        buf_init(&out, 4 * 1024 * 1024);
        if (argc != 2 || !s.arena)
                return 2;
        for (int kind = 0; kind < MESSAGE_KIND_COUNT; kind++)
                for (int i = 0; i < PER_KIND; i++) {
                        buf_reset(&out);
                        sample_encoded(&s, (enum message_kind)kind, &out);
                        /* without the frame, which the target puts before it */
                        struct span body = { buf_str(&out) + 10, out.len - 10 };
                        if (out.failed || write_one(argv[1], kind, i, body) != 0)
                                return 1;
                }
        arena_free(s.arena);
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A writer's schema as another service might put it into the folder, and a body that claims to be
 * written with it. */
#include "codec/canonical.h"
#include "codec/foreign.h"
#include "fuzz.h"

enum { CANONICAL_MAX = 256 * 1024, ARENA_MAX = 4 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct span rest = fuzz_input(data, size);
        struct span piece = fuzz_piece(&rest);
        struct foreign *f CLEANUP(foreign_cleanup) = NULL;
        struct arena *a CLEANUP(arena_cleanup) = arena_new(ARENA_MAX);
        struct buf form BUF_CLEANUP, again BUF_CLEANUP;
        struct err e = ERR_INIT;
        char *text CLEANUP(cleanup_free) = fuzz_text(piece);
        union {
                struct task task;
                struct outcome_event outcome;
                struct run_event run;
                struct dead_letter letter;
        } m = { 0 };
        PROMISE(a);
        buf_init(&form, CANONICAL_MAX);
        buf_init(&again, CANONICAL_MAX);
        struct span json = { text, piece.len };
        if (schema_canonical(json, &form, &e) < 0)
                return 0;
        struct span canonical = { buf_str(&form), form.len };
        PROMISE(schema_canonical(canonical, &again, &e) == 0);
        /* the canonical form is its own */
        PROMISE(again.len == form.len && memcmp(again.data, form.data, form.len) == 0);
        if (foreign_new(json, canonical, &f, &e) < 0)
                return 0;
        PROMISE(foreign_kind(f) < MESSAGE_KIND_COUNT);
        if (foreign_decode(f, rest, a, &m, &e) < 0)
                PROMISE(e.class == ERR_INPUT || e.class == ERR_FATAL);
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the fuzzing targets share. A target aborts when a promise of the header it fuzzes is broken;
 * the sanitizers see to the rest. */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define PROMISE(condition)                                                                 \
        do {                                                                               \
                if (!(condition)) {                                                        \
                        fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, \
                                #condition);                                               \
                        abort();                                                           \
                }                                                                          \
        } while (0)

enum { FUZZ_SEPARATOR = 0x1e }; /* between the pieces of an input that stands for several texts */

/* The next piece of `rest`, which shrinks; empty at the end. */
static inline struct span fuzz_piece(struct span *rest)
{
        const char *end = rest->len ? memchr(rest->ptr, FUZZ_SEPARATOR, rest->len) : NULL;
        struct span piece = { rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len };
        size_t skip = end ? piece.len + 1 : piece.len;
        *rest = (struct span){ rest->ptr + skip, rest->len - skip };
        return piece;
}

/* A NUL-terminated copy that is exactly as large as it must be, so that reading past its end is
 * seen. The caller frees it. */
static inline char *fuzz_text(struct span s)
{
        char *text = malloc(s.len + 1);
        PROMISE(text);
        memcpy(text, s.len ? s.ptr : "", s.len);
        text[s.len] = '\0';
        return text;
}

static inline struct span fuzz_input(const uint8_t *data, size_t size)
{
        return (struct span){ (const char *)data, size };
}

/* A folder for the files of this process, removed when it ends normally. */
const char *fuzz_folder(void);
/* Writes FOLDER/NAME, whose path is given in a buffer of the callee's. */
const char *fuzz_write(const char *name, struct span content);

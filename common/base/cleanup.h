/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Ownership of local objects: CLEANUP runs a destructor when the variable leaves its scope, TAKE
 * hands the object on and disarms it. */

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Defines `name(T **)` that frees *p with `fn`, for use in CLEANUP. `fn` must accept NULL. */
#define DEFINE_CLEANUP(name, T, fn)    \
        static inline void name(T **p) \
        {                              \
                if (*p)                \
                        fn(*p);        \
        }

/* The value of `p`, which becomes NULL: ownership leaves here. */
#define TAKE(p)                            \
        (__extension__({                   \
                __typeof__(p) take_ = (p); \
                (p) = NULL;                \
                take_;                     \
        }))

void cleanup_free(void *p);        /* char *s CLEANUP(cleanup_free): frees with free(3) */
void cleanup_close(const int *fd); /* int fd CLEANUP(cleanup_close) = -1 */

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

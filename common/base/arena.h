/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Memory for one batch: allocation by bumping a pointer, freed all at once by arena_reset after the
 * commit. Has a hard maximum. */
#include "base/buf.h"
#include <stddef.h>

struct arena;

/* `max`: bytes that may be live at once. Returns NULL when out of memory. */
struct arena *arena_new(size_t max);
void arena_free(struct arena *a);
/* the last allocation that failed did so for lack of memory, not for the maximum */
bool arena_oom(const struct arena *a);
void arena_reset(struct arena *a); /* keeps the blocks for reuse */

/* Zeroed, aligned for any type; NULL past the maximum or out of memory. */
void *arena_alloc(struct arena *a, size_t size);
char *arena_strndup(struct arena *a, const char *s, size_t len); /* NUL-terminated copy */
/* copy; ptr NULL when it failed or `s` is absent */
struct span arena_span(struct arena *a, struct span s);

DEFINE_CLEANUP(arena_cleanup, struct arena, arena_free)

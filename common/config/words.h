/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Texts that people write and read in configuration: time spans, and what a misspelt word was meant
 * to be. Pure. */
#include "base/buf.h"

/* "500ms", "23h", "90d", "1h30m"; units ms, s, m, h, d, w, each at most once and falling. False:
 * not a time span, or longer than 1000 years. */
bool duration_parse(const char *text, int64_t *ret_ms);
void duration_format(int64_t ms, struct buf *out); /* "1h30m"; "0s" */

/* The one of `known` (NULL-terminated) that `word` was probably meant to be; NULL when none is
 * near. */
const char *word_nearest(const char *word, const char *const *known);
/* "a, b, c", each between `quote`s when that is not NULL. */
void words_join(const char *const *known, const char *quote, struct buf *out);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* Columns of a terminal that a text takes: wide characters two, combining ones none. Bytes that are
 * no UTF-8 count one each. */
size_t display_width(const char *s, size_t len);
/* Appends `s` with everything that would move a terminal's cursor or turn its writing direction
 * replaced by a space. */
void add_printable(const char *s, size_t len, struct buf *out);

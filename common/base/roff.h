/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Manual pages in roff's man macros. All texts are escaped. */
#include "base/buf.h"

/* "PAGE(SECTION)" and its line under NAME. */
void roff_begin(struct buf *out, const char *page, int section, const char *summary);
void roff_heading(struct buf *out, const char *title);
void roff_subheading(struct buf *out, const char *title);
/* A paragraph; a line end in `text` is a blank. */
void roff_paragraph(struct buf *out, const char *text);
/* A term in bold, and under it what it means. */
void roff_item(struct buf *out, const char *term, const char *text);
/* Items between these two stand below the item before. */
void roff_indent(struct buf *out);
void roff_outdent(struct buf *out);

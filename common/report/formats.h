/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The formats of reports: pack/report_format.h lists them, with the function of each. */
#include "pack/report_format.h"
#include "report/rendering.h"

/* Renders the document to r->out; failures stand in `r`. */
typedef void report_renderer(struct rendering *r, const char *title,
                             const struct json_node *document);

#define REPORT_RENDERER(number, name, render) report_renderer render;
REPORT_FORMATS(REPORT_RENDERER)
#undef REPORT_RENDERER

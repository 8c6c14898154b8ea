/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Mustache templates: {{name}}, {{{name}}} or {{&name}} (never escaped), {{#name}}…{{/name}},
 * {{^name}}…{{/name}}, {{! comment}}. Values are texts; a section shows when its value is neither
 * absent, "", "false" nor "f". Tags alone on a line take the line with them, as the Mustache
 * specification says.
 */
#include "base/buf.h"
#include "base/err.h"

enum template_escape { TEMPLATE_PLAIN, TEMPLATE_HTML };

struct template;

/* `file` is used in errors only ("FILE:LINE: …"). An unclosed tag or section, or a name with other
 * than [A-Za-z0-9_.-]: ERR_FATAL. */
int template_parse(const char *file, struct span text, enum template_escape escape,
                   struct template **ret, struct err *e) MUST_CHECK;
void template_free(struct template *t);
DEFINE_CLEANUP(template_cleanup, struct template, template_free)

/* The value of a name; ptr NULL when absent. The value must live until the rendering returns. */
typedef struct span (*template_lookup)(void *ctx, struct span name);
void template_render(const struct template *t, template_lookup lookup, void *ctx, struct buf *out);

/* Calls `fn` once per distinct name used: lets a pack be checked against the columns of its
 * statement. Stops at, and returns, non-zero. */
int template_names(const struct template *t, int (*fn)(void *ctx, struct span name, int line),
                   void *ctx);

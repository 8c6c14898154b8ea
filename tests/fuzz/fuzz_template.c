/* SPDX-License-Identifier: Apache-2.0 */
/* A template, rendered with values from the same input. */
#include "fuzz.h"
#include "template/template.h"

static struct span value_of(void *ctx, struct span name)
{
        struct span *v = ctx;
        return name.len % 3 == 0 ? (struct span){ 0 } : v[name.len % 3 - 1];
}

static int count(void *ctx, struct span name, int line)
{
        PROMISE(name.len > 0 && line > 0);
        ++*(size_t *)ctx;
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct span rest = fuzz_input(data, size), values[2];
        struct span piece = fuzz_piece(&rest);
        values[0] = fuzz_piece(&rest);
        values[1] = fuzz_piece(&rest);
        char *text CLEANUP(cleanup_free) = fuzz_text(piece);
        for (int escape = TEMPLATE_PLAIN; escape <= TEMPLATE_HTML; escape++) {
                struct template *t CLEANUP(template_cleanup) = NULL;
                struct buf out BUF_CLEANUP;
                struct err e = ERR_INIT;
                size_t names = 0;
                buf_init(&out, 1024 * 1024);
                if (template_parse("t", (struct span){ text, piece.len },
                                   (enum template_escape)escape, &t, &e) < 0) {
                        PROMISE(e.class == ERR_FATAL && strncmp(e.text, "t:", 2) == 0);
                        continue;
                }
                PROMISE(template_names(t, count, &names) == 0);
                template_render(t, value_of, values, &out);
        }
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall config print` and `config reference`. */
#include "output.h"
#include "commands.h"

enum { TEXT_MAX = 1024 * 1024 };

static int print_text(struct cli *c, struct buf *text)
{
        if (text->failed)
                return cli_oom();
        if (c->json)
                return print_json(json_pack("{s:s}", "text", buf_str(text)));
        fputs(buf_str(text), stdout);
        return CODE_OK;
}

int verb_config_print(struct cli *c, const struct args *a)
{
        BUF_CLEANUP struct buf text;
        (void)a;
        buf_init(&text, TEXT_MAX);
        int rc = cli_service(c);
        if (rc)
                return rc;
        service_print(c->service, &text);
        return print_text(c, &text);
}

int verb_config_reference(struct cli *c, const struct args *a)
{
        BUF_CLEANUP struct buf text;
        (void)a;
        buf_init(&text, TEXT_MAX);
        service_reference(&text);
        return print_text(c, &text);
}

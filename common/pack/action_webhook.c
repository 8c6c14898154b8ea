/* SPDX-License-Identifier: Apache-2.0 */
/* The action "webhook": a statement says what is posted. */
#include "pack/action_ops.h"

#include "pack/load.h"

#include <string.h>

static int load_webhook(struct loader *l, const struct cfg_node *n, struct task_type *t,
                        struct err *e)
{
        static const char *const known[] = { "url", "url_file", "secret_file", "timeout", NULL };
        const char *file, *key_file;
        if (cfg_only(n, known, e) < 0 || cfg_str(n, "url", NULL, &t->webhook.url, e) < 0 ||
            cfg_str(n, "url_file", NULL, &file, e) < 0 ||
            cfg_str(n, "secret_file", NULL, &key_file, e) < 0 ||
            cfg_duration(n, "timeout", 10000, &t->webhook.timeout_ms, e) < 0)
                return -1;
        if (!t->webhook.url == !file)
                return cfg_error(n, e, "expected either url or url_file");
        if (t->webhook.url && strncmp(t->webhook.url, "http://", 7) != 0 &&
            strncmp(t->webhook.url, "https://", 8) != 0)
                return cfg_unexpected(cfg_get(n, "url"), e, "\"https://…\" or \"http://…\"");
        if (t->webhook.timeout_ms < 1 || t->webhook.timeout_ms > 600000)
                return cfg_unexpected(cfg_get(n, "timeout"), e, "a time span from 1ms to 10m");
        if (file && !(t->webhook.url_file = load_path(l, file)))
                return err_oom(e);
        if (key_file && !(t->webhook.secret_file = load_path(l, key_file)))
                return err_oom(e);
        return 0;
}

static int64_t webhook_longest_ms(const struct service *s, const struct task_type *t)
{
        (void)s;
        return t->webhook.timeout_ms;
}

const struct action_ops action_webhook = {
        .name = "webhook",
        .default_lane = LANE_MAIL,
        .by_statement = true,
        .done = "send",
        .effect_column = "body",
        .effect_type = "json",
        .load = load_webhook,
        .longest_ms = webhook_longest_ms,
};

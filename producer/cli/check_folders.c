/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders as `rollcall check` looks at them. */
#include "check_folders.h"

#include "mail/signature.h"
#include "pack/action_ops.h"

#include <string.h>
#include <unistd.h>

static void check_secret(struct check *k, const struct task_type *t, const char *path, bool is_key)
{
        struct err e = ERR_INIT;
        struct signing_key key = { .len = 0 };
        char *secret CLEANUP(cleanup_free) = NULL;
        const char *what = is_key ? "signing key" : "URL";
        if (secret_read(path, &secret, &e) < 0)
                check_note(
                        k, "webhook", t->full_name,
                        "its %s cannot be read by this user; the workers need it once the webhook "
                        "is switched on: %s",
                        what, e.text);
        else if (is_key && signing_key_read(secret, &key, &e) < 0)
                check_fail(k, "webhook", t->full_name, "%s: %s", path, e.text);
        else
                check_ok(k, "webhook", t->full_name,
                         is_key ? "its signing key can be read" : "its URL can be read");
        explicit_bzero(&key, sizeof key);
}

void check_folders(struct check *k, const struct packs *all)
{
        const char *folder = k->cli->service->reports.folder;
        bool reports = false;
        for (size_t i = 0; all && i < all->n; i++)
                for (size_t j = 0; j < all->list[i]->n_types; j++) {
                        const struct task_type *t = &all->list[i]->types[j];
                        reports = reports || t->ops->writes_files;
                        if (t->webhook.url_file)
                                check_secret(k, t, t->webhook.url_file, false);
                        if (t->webhook.secret_file)
                                check_secret(k, t, t->webhook.secret_file, true);
                }
        if (reports && access(folder, W_OK | X_OK) == 0)
                check_ok(k, "reports.folder", folder, "can be written");
        else if (reports)
                check_fail(
                        k, "reports.folder", folder,
                        "the folder is missing or this user may not write into it: create it for "
                        "the service's user");
}

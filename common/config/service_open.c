/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the configuration file, and decides whether one that nobody named may be obeyed. */
#include "config/property.h"
#include "config/trust.h"

#include <stdlib.h>
#include <unistd.h>

#define HERE "rollcall.cfg" /* in the working directory */

int service_load(const char *path, struct service **ret, struct err *e)
{
        return service_read(path, false, ret, e);
}

const char *service_path(const char *given, bool *ret_found)
{
        const char *path = given ? given : getenv("ROLLCALL_CONFIG");
        bool named = path && *path;
        *ret_found = !named && access(HERE, F_OK) == 0;
        return named ? path : *ret_found ? HERE : "/etc/rollcall/rollcall.cfg";
}

/* What root obeys by a configuration that nobody named must be root's, too. */
static int guard(struct service *s, struct err *e)
{
        if (geteuid() != 0)
                return 0;
        for (size_t i = 0; i < s->n_packs; i++)
                s->packs[i].guarded = true;
        return s->schemas.folder ? trust_check_folder(s->schemas.folder, e) : 0;
}

int service_open(const char *given, struct service **ret, struct err *e)
{
        bool found;
        const char *path = service_path(given, &found);
        if (!found)
                return service_read(path, false, ret, e);
        struct service *s CLEANUP(service_cleanup) = NULL;
        if (trust_check(path, e) < 0 || service_read(path, true, &s, e) < 0 || guard(s, e) < 0) {
                (void)err_prefix(e, "./%s was found here", path);
                return -1;
        }
        *ret = TAKE(s);
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which errors of a loop are logged. */
#include "base/trouble.h"

#include <stdio.h>
#include <string.h>

enum { LOG_AGAIN_MS = 60000 };

bool trouble_is_news(struct trouble *t, const struct err *e, int64_t now_ms)
{
        if (t->text[0] && strncmp(t->text, e->text, sizeof t->text - 1) == 0 &&
            now_ms - t->logged_ms < LOG_AGAIN_MS)
                return false;
        snprintf(t->text, sizeof t->text, "%s", e->text);
        t->logged_ms = now_ms;
        return true;
}

bool trouble_is_over(struct trouble *t)
{
        bool logged = t->text[0] != '\0';
        t->text[0] = '\0';
        return logged;
}

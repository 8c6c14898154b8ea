/* SPDX-License-Identifier: Apache-2.0 */
/* Options that come from a pack's declarations: a task type's arguments, a report's parameters. */
#include "flags.h"

#include <stdlib.h>
#include <string.h>

static const char *label(enum value_type t)
{
        switch (t) {
        case VALUE_INTEGER:
                return "N";
        case VALUE_DATE:
                return "DATE";
        case VALUE_TIMESTAMP:
                return "TIME";
        case VALUE_UUID:
                return "UUID";
        case VALUE_INTEGER_ARRAY:
        case VALUE_TEXT_ARRAY:
                return "LIST";
        default:
                return "TEXT";
        }
}

static char *dashed(const char *name)
{
        char *s = strdup(name);
        for (char *p = s; p && *p; p++)
                if (*p == '_')
                        *p = '-';
        return s;
}

struct flag *flags_of(const struct parameter *list, size_t n, const struct flag *fixed)
{
        struct flag *f = calloc(n + 1, sizeof *f);
        size_t used = 0;
        for (size_t i = 0; f && i < n; i++) {
                if (list[i].from_actor && !list[i].for_others) /* nobody gives it */
                        continue;
                char *name = dashed(list[i].name);
                bool taken = false;
                for (const struct flag *g = fixed; name && g && g->name; g++)
                        taken = taken || strcmp(g->name, name) == 0;
                if (!name) {
                        flags_free(f);
                        return NULL;
                }
                if (taken) { /* the command's own option of that name comes first */
                        free(name);
                        continue;
                }
                f[used++] = (struct flag){
                        .name = name,
                        .value = list[i].type == VALUE_BOOLEAN ? NULL : label(list[i].type),
                        .help = list[i].help ? list[i].help : "",
                        .required = list[i].required && list[i].type != VALUE_BOOLEAN,
                };
        }
        return f;
}

void flags_free(struct flag *f)
{
        for (struct flag *g = f; g && g->name; g++)
                free((void *)(uintptr_t)g->name);
        free(f);
}

bool flag_is(const char *flag, const char *declared_name)
{
        for (; *flag && *declared_name; flag++, declared_name++)
                if (*flag != (*declared_name == '_' ? '-' : *declared_name))
                        return false;
        return *flag == *declared_name;
}

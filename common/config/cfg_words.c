/* SPDX-License-Identifier: Apache-2.0 */
/* Settings whose words are known. */
#include "config/cfg_words.h"

#include "config/words.h"

#include <string.h>

int cfg_choice(const struct cfg_node *n, const char *key, const char *const *names, int fallback,
               int *ret, struct err *e)
{
        const struct cfg_node *v = cfg_get(n, key);
        if (!v) {
                *ret = fallback;
                return 0;
        }
        const char *text = NULL;
        if (cfg_is_text(v) && cfg_str(n, key, NULL, &text, e) < 0)
                return -1;
        for (int i = 0; text && names[i]; i++)
                if (strcmp(names[i], text) == 0) {
                        *ret = i;
                        return 0;
                }
        BUF_CLEANUP struct buf expected = { .max = 500 };
        buf_adds(&expected, "one of ");
        words_join(names, "\"", &expected);
        return cfg_unexpected(v, e, buf_str(&expected));
}

int cfg_only(const struct cfg_node *n, const char *const *known, struct err *e)
{
        if (!cfg_is_group(n))
                return cfg_unexpected(n, e, "a group { key = value; }");
        for (int i = 0; i < cfg_count(n); i++) {
                const struct cfg_node *child = cfg_at(n, i);
                const char *key = cfg_key(child);
                size_t k = 0;
                while (known[k] && strcmp(known[k], key) != 0)
                        k++;
                if (known[k])
                        continue;
                BUF_CLEANUP struct buf list = { .max = 700 };
                const char *nearest = word_nearest(key, known);
                if (nearest)
                        buf_addf(&list, ", did you mean \"%s\"?", nearest);
                buf_adds(&list, nearest ? " Known here: " : ", expected one of: ");
                words_join(known, NULL, &list);
                return cfg_error(child, e, "unknown key%s", buf_str(&list));
        }
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Settings and arguments as JSON objects of texts, and back. */
#include "ledger/ledger.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Takes `object`. */
static void dump(json_t *object, struct buf *out)
{
        char *text = json_dumps(object, JSON_COMPACT);
        if (text)
                buf_adds(out, text);
        else
                out->failed = out->oom = true;
        free(text);
        json_decref(object);
}

void settings_to_json(const struct setting_value *list, size_t n, struct buf *out)
{
        json_t *object = json_object();
        for (size_t i = 0; i < n; i++)
                json_object_set_new(object, list[i].name,
                                    list[i].value ? json_string(list[i].value) : json_null());
        dump(object, out);
}

void arguments_to_json(const struct argument *list, size_t n, struct buf *out)
{
        json_t *object = json_object();
        for (size_t i = 0; i < n; i++)
                json_object_setn_new(object, list[i].name.ptr, list[i].name.len,
                                     json_stringn(list[i].value.ptr, list[i].value.len));
        dump(object, out);
}

static int read_members(json_t *object, bool nulls, struct arena *a, struct setting_value *list,
                        struct err *e)
{
        const char *name;
        json_t *value;
        json_object_foreach(object, name, value)
        {
                bool null = nulls && json_is_null(value);
                if (!null && !json_is_string(value))
                        return err_set(e, ERR_INPUT, "", "settings: \"%s\" is not a text", name);
                list->name = arena_strndup(a, name, strlen(name));
                list->value = null ? NULL
                                   : arena_strndup(a, json_string_value(value),
                                                   json_string_length(value));
                if (!list->name || (!null && !list->value))
                        return err_oom(e);
                // cppcheck-suppress uselessAssignmentPtrArg ; where the next member goes
                list++;
        }
        return 0;
}

static int from_json(struct span json, bool nulls, struct arena *a, struct setting_value **ret,
                     size_t *ret_n, struct err *e)
{
        json_error_t je;
        json_t *object = json_loadb(json.ptr, json.len, 0, &je);
        if (!json_is_object(object)) {
                json_decref(object);
                return err_set(e, ERR_INPUT, "", "settings: not a JSON object");
        }
        size_t n = json_object_size(object);
        struct setting_value *list = arena_alloc(a, (n + 1) * sizeof *list);
        int rc = list ? read_members(object, nulls, a, list, e) : err_oom(e);
        json_decref(object);
        if (rc == 0) {
                *ret = list;
                *ret_n = n;
        }
        return rc;
}

int settings_from_json(struct span json, struct arena *a, struct setting_value **ret, size_t *ret_n,
                       struct err *e)
{
        return from_json(json, false, a, ret, ret_n, e);
}

int settings_from_json_nulls(struct span json, struct arena *a, struct setting_value **ret,
                             size_t *ret_n, struct err *e)
{
        return from_json(json, true, a, ret, ret_n, e);
}

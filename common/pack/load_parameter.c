/* SPDX-License-Identifier: Apache-2.0 */
/* Settings, arguments and report parameters of pack.cfg. */
#include "pack/load_parameter.h"

#include <string.h>

/* Names that mean something else where the value would be used. */
static const char *const engine_names[] = { "now",    "today",   "time_zone", "actor",
                                            "run_id", "dry_run", "subject",   NULL };
static const char *const batch_columns[] = { "subject", "item", "actor", NULL };

static bool is_one_of(const char *word, const char *const *list)
{
        while (*list && strcmp(*list, word) != 0)
                list++;
        return *list;
}

static bool name_valid(const char *name)
{
        size_t len = strlen(name);
        return len > 0 && len <= NAME_MAX_LEN && *name >= 'a' && *name <= 'z' &&
               strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static void add_element(struct buf *out, const char *text)
{
        buf_addc(out, '"');
        for (; *text; text++) {
                if (*text == '"' || *text == '\\')
                        buf_addc(out, '\\');
                buf_addc(out, *text);
        }
        buf_addc(out, '"');
}

/* A scalar as it is; a list as an array's text. */
static int node_text(struct loader *l, const struct cfg_node *n, const char **ret, struct err *e)
{
        BUF_CLEANUP struct buf out = { .max = PACK_FILE_MAX }, element = { .max = PACK_FILE_MAX };
        if (cfg_is_list(n)) {
                for (int i = 0; i < cfg_count(n); i++) {
                        buf_reset(&element);
                        if (cfg_scalar_text(cfg_at(n, i), &element, e) < 0)
                                return -1;
                        buf_addc(&out, i ? ',' : '{');
                        add_element(&out, buf_str(&element));
                }
                buf_adds(&out, out.len ? "}" : "{}");
        } else if (cfg_scalar_text(n, &out, e) < 0) {
                return -1;
        }
        *ret = out.failed ? NULL : arena_strndup(l->pack->arena, buf_str(&out), out.len);
        return *ret ? 0 : err_oom(e);
}

int load_value(struct loader *l, const struct cfg_node *n, const struct parameter *d,
               const char **ret, struct err *e)
{
        struct err bad = ERR_INIT;
        if (node_text(l, n, ret, e) < 0)
                return -1;
        return parameter_check(d, span_of(*ret), &bad) < 0 ? cfg_error(n, e, "%s", bad.text) : 0;
}

int load_setting(struct loader *l, const struct cfg_node *n, const struct parameter **ret,
                 const char **value, struct err *e)
{
        const struct pack *p = l->pack;
        const struct parameter *d = pack_setting(p, span_of(cfg_key(n)));
        if (d) {
                *ret = d;
                return load_value(l, n, d, value, e);
        }
        const char **known = load_array(l, (int)p->n_settings + 1, sizeof *known);
        if (!known)
                return err_oom(e);
        for (size_t i = 0; i < p->n_settings; i++)
                known[i] = p->settings[i].name;
        return load_unknown(n, "setting", cfg_key(n), known, e);
}

static int read_values(struct loader *l, const struct cfg_node *list, struct parameter *d,
                       struct err *e)
{
        struct parameter element = *d;
        if (d->type == VALUE_INTEGER_ARRAY)
                element.type = VALUE_INTEGER;
        else if (d->type == VALUE_TEXT_ARRAY)
                element.type = VALUE_TEXT;
        if (!list)
                return 0;
        if (!cfg_is_list(list) || cfg_count(list) == 0)
                return cfg_unexpected(list, e, "a list of the values that are allowed");
        const char **values = load_array(l, cfg_count(list) + 1, sizeof *values);
        if (!values)
                return err_oom(e);
        for (int i = 0; i < cfg_count(list); i++)
                if (load_value(l, cfg_at(list, i), &element, &values[i], e) < 0)
                        return -1;
        d->values = values;
        d->n_values = (size_t)cfg_count(list);
        return 0;
}

static int read_range(const struct cfg_node *n, struct parameter *d, struct err *e)
{
        const struct cfg_node *min = cfg_get(n, "min"), *limit = min ? min : cfg_get(n, "max");
        if (limit && d->type != VALUE_INTEGER && d->type != VALUE_INTEGER_ARRAY)
                return cfg_error(
                        limit, e,
                        "found with type \"%s\", expected only with \"integer\" or \"integer[]\"",
                        value_type_names[d->type]);
        if (cfg_int(n, "min", INT64_MIN, INT64_MIN, INT64_MAX, &d->min, e) < 0)
                return -1;
        return cfg_int(n, "max", INT64_MAX, d->min, INT64_MAX, &d->max, e);
}

static bool is_array(const struct parameter *d)
{
        return d->type == VALUE_INTEGER_ARRAY || d->type == VALUE_TEXT_ARRAY;
}

/* How empty a value may be. */
static int read_blank(const struct cfg_node *n, struct parameter *d, struct err *e)
{
        const struct cfg_node *blank = cfg_get(n, "allow_blank"), *items = cfg_get(n, "min_items");
        if (blank && (d->type != VALUE_TEXT || !d->required))
                return cfg_error(
                        blank, e,
                        "found with type \"%s\", expected only with \"text\" and required = true",
                        value_type_names[d->type]);
        if (items && !is_array(d))
                return cfg_error(
                        items, e,
                        "found with type \"%s\", expected only with \"integer[]\" or \"text[]\"",
                        value_type_names[d->type]);
        if (cfg_bool(n, "allow_blank", false, &d->allow_blank, e) < 0)
                return -1;
        return cfg_int(n, "min_items", 0, 0, INT64_MAX, &d->min_items, e);
}

/* An argument that the engine fills in. */
static int read_from(const struct cfg_node *n, struct parameter *d, struct err *e)
{
        static const char *const sources[] = { "actor", NULL }, *const others[] = { "required",
                                                                                    "default",
                                                                                    "values" };
        const struct cfg_node *from = cfg_get(n, "from");
        int choice;
        if (!from && cfg_get(n, "for_others"))
                return cfg_error(cfg_get(n, "for_others"), e,
                                 "found without from, expected only with from = \"actor\"");
        if (!from)
                return 0;
        if (cfg_choice(n, "from", sources, 0, &choice, e) < 0)
                return -1;
        if (d->type != VALUE_TEXT)
                return cfg_error(from, e, "found with type \"%s\", expected only with \"text\"",
                                 value_type_names[d->type]);
        for (size_t i = 0; i < ARRAY_LEN(others); i++)
                if (cfg_get(n, others[i]))
                        return cfg_error(cfg_get(n, others[i]), e,
                                         "found together with from, expected only one of them");
        d->from_actor = true;
        return cfg_bool(n, "for_others", false, &d->for_others, e);
}

static int read_one(struct loader *l, const struct cfg_node *n, enum parameter_kind kind,
                    struct parameter *d, struct err *e)
{
        static const char *const setting_keys[] = {
                "name", "type",      "default", "values", "min",
                "max",  "min_items", "help",    "locked", NULL
        };
        static const char *const keys[] = { "name",      "type",   "required", "allow_blank",
                                            "default",   "values", "min",      "max",
                                            "min_items", "help",   NULL };
        static const char *const argument_keys[] = {
                "name", "type",      "required", "allow_blank", "default",    "values", "min",
                "max",  "min_items", "help",     "from",        "for_others", NULL
        };
        const struct cfg_node *fallback = cfg_get(n, "default"), *type = cfg_get(n, "type");
        int choice;
        if (cfg_only(n,
                     kind == PARAMETER_SETTING    ? setting_keys
                     : kind == PARAMETER_ARGUMENT ? argument_keys
                                                  : keys,
                     e) < 0 ||
            cfg_str_required(n, "name", &d->name, e) < 0)
                return -1;
        if (!name_valid(d->name))
                return cfg_unexpected(
                        cfg_get(n, "name"), e,
                        "1 to 63 lower-case letters, digits or '_', beginning with a letter");
        if (is_one_of(d->name, kind == PARAMETER_ARGUMENT ? batch_columns : engine_names))
                return cfg_unexpected(cfg_get(n, "name"), e,
                                      "another name: the engine gives this one a meaning");
        if (!type)
                return cfg_error(n, e,
                                 "type is missing, expected \"text\", \"integer\", \"boolean\", "
                                 "\"date\", \"timestamp\", \"uuid\", "
                                 "\"integer[]\" or \"text[]\"");
        if (cfg_choice(n, "type", value_type_names, 0, &choice, e) < 0)
                return -1;
        d->type = (enum value_type)choice;
        if (read_range(n, d, e) < 0 || read_values(l, cfg_get(n, "values"), d, e) < 0 ||
            cfg_str(n, "help", NULL, &d->help, e) < 0 ||
            cfg_bool(n, "required", false, &d->required, e) < 0 ||
            cfg_bool(n, "locked", false, &d->locked, e) < 0 || read_blank(n, d, e) < 0)
                return -1;
        if (read_from(n, d, e) < 0)
                return -1;
        if (fallback && d->required)
                return cfg_error(fallback, e,
                                 "found together with required = true, expected only one of them");
        return fallback ? load_value(l, fallback, d, &d->default_value, e) : 0;
}

int load_parameters(struct loader *l, const struct cfg_node *parent, const char *key,
                    enum parameter_kind kind, struct parameter **ret, size_t *ret_n, struct err *e)
{
        const struct cfg_node *list = cfg_get(parent, key);
        int count = cfg_count(list);
        if (list && !cfg_is_list(list))
                return cfg_unexpected(list, e,
                                      "a list of groups ( { name = \"…\"; type = \"…\"; } )");
        struct parameter *d = load_array(l, count, sizeof *d);
        if (!d)
                return err_oom(e);
        for (int i = 0; i < count; i++) {
                if (read_one(l, cfg_at(list, i), kind, &d[i], e) < 0)
                        return -1;
                for (int j = 0; j < i; j++)
                        if (strcmp(d[j].name, d[i].name) == 0)
                                return cfg_unexpected(cfg_get(cfg_at(list, i), "name"), e,
                                                      "a name that is not taken above");
        }
        *ret = d;
        *ret_n = (size_t)count;
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines, read by the table of commands. */
#include "args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLAG_LISTS = 4 };

const struct flag global_flags[] = {
        { "config", "FILE",
          "the configuration file (else $ROLLCALL_CONFIG, ./rollcall.cfg, "
          "/etc/rollcall/rollcall.cfg)",
          "@file", 'c', false, false },
        { "json", NULL, "print JSON: one document, or one line per record for streams", NULL, 0,
          false, false },
        { "actor", "NAME",
          "on whose behalf you ask; needs the right act_for_others (who asks is the database user)",
          NULL, 0, false, false },
        { "help", NULL, "print this help", NULL, 'h', false, false },
        { .name = NULL },
};

struct args {
        const struct verb *verb;
        bool help;
        size_t n_operands, n_given;
        const char **operands;
        struct given {
                const struct flag *flag;
                const char *value;
        } *given;
};

void args_free(struct args *a)
{
        if (!a)
                return;
        free(a->operands);
        free(a->given);
        free(a);
}

static const struct flag *by_name(const struct flag *list, const char *name, size_t len)
{
        for (; list && list->name; list++)
                if (strlen(list->name) == len && memcmp(list->name, name, len) == 0)
                        return list;
        return NULL;
}

static const struct flag *by_letter(const struct flag *list, char letter)
{
        for (; list && list->name; list++)
                if (letter && list->letter == letter)
                        return list;
        return NULL;
}

/* The flag that `word` ("--name", "--name=value", "-n") names in one of the lists; its inline
 * value goes to `ret_value`. */
static const struct flag *find_flag(const struct flag *const lists[FLAG_LISTS], const char *word,
                                    const char **ret_value)
{
        *ret_value = NULL;
        bool is_long = word[1] == '-';
        size_t len = is_long ? strcspn(word + 2, "=") : 0;
        if (is_long && word[2 + len] == '=')
                *ret_value = word + 2 + len + 1;
        if (!is_long && word[2])
                return NULL; /* letters are not bundled */
        for (size_t i = 0; i < FLAG_LISTS; i++) {
                const struct flag *f = is_long ? by_name(lists[i], word + 2, len)
                                               : by_letter(lists[i], word[1]);
                if (f)
                        return f;
        }
        return NULL;
}

static int usage(const struct verb *v, const char *what, const char *word)
{
        return cli_error(CODE_USAGE, "%s: %s %s; see: rollcall %s --help", v->name, what, word,
                         v->name);
}

static void take_flag(struct cli *c, struct args *a, const struct flag *f, const char *value)
{
        a->given[a->n_given++] = (struct given){ f, value };
        if (by_name(global_flags, f->name, strlen(f->name)) != f)
                return;
        if (strcmp(f->name, "config") == 0)
                c->config_given = value;
        else if (strcmp(f->name, "actor") == 0)
                c->actor_given = value;
        else if (strcmp(f->name, "json") == 0)
                c->json = true;
        else if (strcmp(f->name, "help") == 0)
                a->help = true;
}

static int parse_flag(struct cli *c, struct args *a, const struct flag *const lists[FLAG_LISTS],
                      int argc, char **argv, int *i)
{
        const char *value, *word = argv[*i];
        const struct flag *f = find_flag(lists, word, &value);
        if (!f)
                return usage(a->verb, "unknown option", word);
        if (!f->value && value)
                return usage(a->verb, "no value is taken by", word);
        if (f->value && !value) {
                if (*i + 1 >= argc)
                        return usage(a->verb, "a value is missing after", word);
                value = argv[++*i];
        }
        if (!f->repeat && f->value && args_get(a, f->name))
                return usage(a->verb, "given twice:", word);
        take_flag(c, a, f, value);
        return 0;
}

static int check_given(const struct args *a, const struct flag *list)
{
        for (; list && list->name; list++)
                if (list->required && !args_on(a, list->name)) {
                        char word[100];
                        snprintf(word, sizeof word, "--%s %s", list->name,
                                 list->value ? list->value : "");
                        return usage(a->verb, "missing:", word);
                }
        return 0;
}

static int check_usage(const struct args *a, const struct flag *more)
{
        const struct verb *v = a->verb;
        if (a->help)
                return 0;
        if ((int)a->n_operands < v->min)
                return cli_error(CODE_USAGE, "%s: %s is missing; see: rollcall %s --help", v->name,
                                 v->operands, v->name);
        if ((int)a->n_operands > v->max)
                return usage(v, "one word too many:", a->operands[v->max]);
        int rc = check_given(a, v->flags);
        return rc ? rc : check_given(a, more);
}

int args_parse(struct cli *c, const struct verb *v, const struct flag *more, int argc, char **argv,
               struct args **ret)
{
        const struct flag *const lists[FLAG_LISTS] = { v->flags, v->filters, more, global_flags };
        struct args *a CLEANUP(args_cleanup) = calloc(1, sizeof *a);
        if (!a)
                return cli_oom();
        a->verb = v;
        a->operands = calloc((size_t)argc + 1, sizeof *a->operands);
        a->given = calloc((size_t)argc + 1, sizeof *a->given);
        if (!a->operands || !a->given)
                return cli_oom();
        bool ended = false;
        for (int i = 0; i < argc; i++) {
                if (!ended && strcmp(argv[i], "--") == 0) {
                        ended = true;
                } else if (!ended && argv[i][0] == '-' && argv[i][1]) {
                        int rc = parse_flag(c, a, lists, argc, argv, &i);
                        if (rc)
                                return rc;
                } else {
                        a->operands[a->n_operands++] = argv[i];
                }
        }
        int rc = check_usage(a, more);
        if (rc)
                return rc;
        *ret = TAKE(a);
        return 0;
}

const char *args_first_operand(const struct verb *v, int argc, char **argv, int *ret_at)
{
        const struct flag *const lists[FLAG_LISTS] = { v ? v->flags : NULL, v ? v->filters : NULL,
                                                       NULL, global_flags };
        for (int i = 0; i < argc; i++) {
                const char *value;
                if (strcmp(argv[i], "--") == 0)
                        i++;
                else if (argv[i][0] == '-' && argv[i][1]) {
                        const struct flag *f = find_flag(lists, argv[i], &value);
                        if (f && f->value && !value)
                                i++;
                        continue;
                }
                if (i >= argc)
                        break;
                *ret_at = i;
                return argv[i];
        }
        return NULL;
}

bool args_help(const struct args *a)
{
        return a->help;
}

size_t args_count(const struct args *a)
{
        return a->n_operands;
}

const char *args_operand(const struct args *a, size_t i)
{
        return i < a->n_operands ? a->operands[i] : NULL;
}

bool args_on(const struct args *a, const char *flag)
{
        return args_values(a, flag) > 0;
}

const char *args_get(const struct args *a, const char *flag)
{
        size_t n = args_values(a, flag);
        return n ? args_value(a, flag, n - 1) : NULL;
}

size_t args_values(const struct args *a, const char *flag)
{
        size_t n = 0;
        for (size_t i = 0; i < a->n_given; i++)
                n += strcmp(a->given[i].flag->name, flag) == 0;
        return n;
}

const char *args_value(const struct args *a, const char *flag, size_t at)
{
        for (size_t i = 0; i < a->n_given; i++)
                if (strcmp(a->given[i].flag->name, flag) == 0 && at-- == 0)
                        return a->given[i].value;
        return NULL;
}

int args_number(const struct args *a, const char *flag, int64_t fallback, int64_t min, int64_t max,
                int64_t *ret)
{
        const char *text = args_get(a, flag);
        *ret = fallback;
        if (!text)
                return 0;
        char *end;
        errno = 0;
        long long n = strtoll(text, &end, 10);
        if (errno || end == text || *end || n < min || n > max)
                return cli_error(CODE_USAGE,
                                 "%s: --%s \"%s\": a whole number from %lld to %lld was expected",
                                 a->verb->name, flag, text, (long long)min, (long long)max);
        *ret = n;
        return 0;
}

int args_duration(const struct args *a, const char *flag, int64_t fallback_ms, int64_t *ret_ms)
{
        static const struct {
                const char *unit;
                int64_t ms;
        } units[] = { { "", 1000 },   { "ms", 1 },      { "s", 1000 },
                      { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
        const char *text = args_get(a, flag);
        *ret_ms = fallback_ms;
        if (!text)
                return 0;
        char *end;
        errno = 0;
        long long n = strtoll(text, &end, 10);
        for (size_t i = 0; !errno && end != text && i < ARRAY_LEN(units); i++)
                if (strcmp(end, units[i].unit) == 0 && n >= 0 &&
                    n <= INT64_C(31536000000) / units[i].ms) {
                        *ret_ms = n * units[i].ms;
                        return 0;
                }
        return cli_error(CODE_USAGE,
                         "%s: --%s \"%s\": a time such as 500ms, 30s, 5m or 2h was expected",
                         a->verb->name, flag, text);
}

int args_pair(const struct args *a, const char *flag, size_t i, char **ret_name,
              const char **ret_value)
{
        const char *text = args_value(a, flag, i), *equals = strchr(text, '=');
        if (!equals || equals == text)
                return cli_error(CODE_USAGE, "%s: --%s \"%s\": name=value was expected",
                                 a->verb->name, flag, text);
        *ret_name = strndup(text, (size_t)(equals - text));
        *ret_value = equals + 1;
        return *ret_name ? 0 : cli_oom();
}

const char *args_declared(const struct args *a, const struct parameter *d)
{
        for (size_t i = a->n_given; i-- > 0;)
                if (flag_is(a->given[i].flag->name, d->name))
                        return d->type == VALUE_BOOLEAN ? "true" : a->given[i].value;
        return NULL;
}

const struct verb *verb_find(const struct verb *verbs, const char *first, const char *second,
                             int *ret_words, bool *ret_group)
{
        size_t len = strlen(first);
        *ret_group = false;
        for (const struct verb *v = verbs; v->name; v++) {
                if (strcmp(v->name, first) == 0) {
                        *ret_words = 1;
                        return v;
                }
                if (strncmp(v->name, first, len) != 0 || v->name[len] != ' ')
                        continue;
                *ret_group = true;
                if (second && strcmp(v->name + len + 1, second) == 0) {
                        *ret_words = 2;
                        return v;
                }
        }
        return NULL;
}

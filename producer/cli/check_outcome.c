/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outcomes that stand in a statement as constants, found by reading its text: 'word' as
 * outcome, and the branches of case … end as outcome. What is computed is for the composed
 * statement to refuse when it runs.
 */
#include "check_outcome.h"

#include "pack/action_ops.h"
#include "pack/statement.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TOKENS_MAX = 65536 };

struct token {
        const char *at;
        size_t len;
};

struct tokens {
        const char *text;
        struct token *list;
        size_t n;
};

static bool word_char(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || (unsigned char)c >= 0x80;
}

static bool blank(const char *p)
{
        return strchr(" \t\r\n\f", *p) || (p[0] == '-' && p[1] == '-') ||
               (p[0] == '/' && p[1] == '*');
}

/* Words, texts and signs, without blanks and comments. False: out of memory. */
static bool read_tokens(const char *text, struct tokens *ret)
{
        *ret = (struct tokens){ text, calloc(TOKENS_MAX, sizeof *ret->list), 0 };
        if (!ret->list)
                return false;
        for (const char *p = text; *p && ret->n < TOKENS_MAX;) {
                const char *next = sql_skip(text, p);
                if (word_char(*p))
                        for (next = p; word_char(*next);)
                                next++;
                if (!blank(p))
                        ret->list[ret->n++] = (struct token){ p, (size_t)(next - p) };
                p = next;
        }
        return true;
}

static void tokens_deinit(struct tokens *t)
{
        free(t->list);
}

static bool is(const struct tokens *t, size_t i, const char *word)
{
        const struct token *k = &t->list[i];
        if (i >= t->n)
                return false;
        if (k->len == strlen(word) + 2 && *k->at == '"')
                return strncmp(k->at + 1, word, k->len - 2) == 0;
        return k->len == strlen(word) && strncasecmp(k->at, word, k->len) == 0;
}

/* The tokens within the parentheses of the last "effect as (…)"; all tokens when there is none. */
static void find_effect(const struct tokens *t, size_t *ret_from, size_t *ret_to)
{
        *ret_from = 0;
        *ret_to = t->n;
        for (size_t i = 0; i + 2 < t->n; i++) {
                size_t open = i + 2;
                if (!is(t, i, "effect") || !is(t, i + 1, "as"))
                        continue;
                while (is(t, open, "not") || is(t, open, "materialized"))
                        open++;
                if (!is(t, open, "("))
                        continue;
                *ret_from = open + 1;
                int depth = 1;
                for (*ret_to = *ret_from; *ret_to < t->n; ++*ret_to) {
                        depth += is(t, *ret_to, "(") - is(t, *ret_to, ")");
                        if (depth == 0)
                                break;
                }
        }
}

struct words {
        struct check *k;
        const struct task_type *type;
        const struct tokens *tokens;
        bool good;
};

/* The expression that ends before `end`, if it is a constant; casts are passed over. */
static void check_constant(struct words *w, size_t end)
{
        const struct tokens *t = w->tokens;
        const char *done = w->type->ops->done;
        const char *const known[] = { done, "skipped", "failed" };
        if (end >= 3 && is(t, end - 2, "::"))
                end -= 2;
        const struct token *k = &t->list[end - 1];
        bool null = is(t, end - 1, "null");
        if (*k->at != '\'' && !null)
                return;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
                if (k->len == strlen(known[i]) + 2 && *k->at == '\'' &&
                    strncmp(k->at + 1, known[i], k->len - 2) == 0)
                        return;
        char where[400];
        snprintf(where, sizeof where, "%s:%d", w->type->statement.path, sql_line(t->text, k->at));
        check_fail(w->k, "statement", where, "outcome %.*s, expected '%s', 'skipped' or 'failed'",
                   (int)k->len, k->at, done);
        w->good = false;
}

/* Does one token, and perhaps a cast, stand between `end` and one of two words? */
static bool stands_alone(const struct tokens *t, size_t end, const char *one, const char *other)
{
        size_t at = end >= 3 && is(t, end - 2, "::") ? end - 3 : end - 1;
        return at >= 1 && (is(t, at - 1, one) || is(t, at - 1, other));
}

/* The branches of the case expression whose `end` is token `last`. */
static void check_case(struct words *w, size_t last)
{
        const struct tokens *t = w->tokens;
        int nested = 0, depth = 0;
        for (size_t i = last; i > 0; i--) {
                nested += is(t, i, "end") - is(t, i, "case");
                depth += is(t, i, ")") - is(t, i, "(");
                if (nested == 0)
                        return;
                bool boundary = depth == 0 && nested == 1 &&
                                (is(t, i, "when") || is(t, i, "else") || i == last);
                if (boundary && stands_alone(t, i, "then", "else"))
                        check_constant(w, i);
        }
}

/* Every "… as outcome" of [from, to). */
static bool check_range(struct words *w, size_t from, size_t to)
{
        const struct tokens *t = w->tokens;
        bool found = false;
        for (size_t i = from + 1; i + 1 < to; i++) {
                if (!is(t, i, "as") || !is(t, i + 1, "outcome"))
                        continue;
                found = true;
                if (is(t, i - 1, "end"))
                        check_case(w, i - 1);
                else if (stands_alone(t, i, ",", "select"))
                        check_constant(w, i);
        }
        return found;
}

bool check_outcome_words(struct check *k, const struct task_type *t)
{
        struct tokens tokens CLEANUP(tokens_deinit) = { 0 };
        struct words w = { k, t, &tokens, true };
        size_t from, to;
        if (!read_tokens(t->statement.text, &tokens)) {
                check_fail(k, "statement", t->full_name, "out of memory");
                return false;
        }
        find_effect(&tokens, &from, &to);
        if (!check_range(&w, from, to)) /* effect takes its outcome from another list */
                check_range(&w, 0, tokens.n);
        return w.good;
}

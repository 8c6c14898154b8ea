/* SPDX-License-Identifier: Apache-2.0 */
/* Reads JSON (RFC 8259) where it stands: from memory, or through a window on a file. */
#include "report/json.h"

#include "base/hex.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 64 * 1024, DEPTH_MAX = 200, MEMBERS_CHECKED = 1000, TEXT_MAX = 16 * 1024 * 1024 };

void json_text_memory(struct json_text *t, struct span s)
{
        *t = (struct json_text){ .mem = s.ptr ? s.ptr : "", .fd = -1, .size = (int64_t)s.len };
}

int json_text_file(struct json_text *t, int fd, struct err *e)
{
        struct stat st;
        *t = (struct json_text){ .fd = fd, .window = malloc(WINDOW) };
        if (!t->window)
                return err_oom(e);
        if (fstat(fd, &st) < 0)
                return err_set(e, ERR_RETRY, "", "the report's document cannot be read again");
        t->size = st.st_size;
        return 0;
}

void json_text_deinit(struct json_text *t)
{
        free(t->window);
        t->window = NULL;
}

/* Has the byte at `at` in the window; false at the end, or when the file cannot be read. */
static bool load(struct json_text *t, int64_t at)
{
        if (at >= t->size || t->failed)
                return false;
        if (at >= t->window_at && at < t->window_at + (int64_t)t->window_len)
                return true;
        ssize_t n = pread(t->fd, t->window, WINDOW, at);
        t->failed = n <= 0;
        t->window_at = at;
        t->window_len = n > 0 ? (size_t)n : 0;
        return n > 0;
}

static int peek(struct json_text *t, int64_t at)
{
        if (t->mem)
                return at < t->size ? (unsigned char)t->mem[at] : -1;
        return load(t, at) ? (unsigned char)t->window[at - t->window_at] : -1;
}

/* ---- the parser ---- */

struct parser {
        struct json_text *text;
        int64_t at;
        struct arena *arena; /* NULL: values are passed over, and only checked */
        struct err *err;
        struct buf scratch; /* a text while it is decoded */
};

static int wrong(struct parser *p, const char *expected)
{
        if (p->text->failed)
                return err_set(p->err, ERR_RETRY, "", "the report's document cannot be read again");
        return err_set(p->err, ERR_INPUT, "",
                       "the report is no JSON object or array: %s at byte %lld", expected,
                       (long long)p->at);
}

static int no_memory(struct parser *p)
{
        if (p->scratch.oom || (p->arena && arena_oom(p->arena)))
                return err_oom(p->err);
        return err_set(p->err, ERR_INPUT, "",
                       "the report has a row, or values outside its lists, that are too large");
}

static int skip_space(struct parser *p)
{
        int c;
        while ((c = peek(p->text, p->at)) == ' ' || c == '\t' || c == '\n' || c == '\r')
                p->at++;
        return c;
}

static int hex4(struct parser *p, uint32_t *ret)
{
        *ret = 0;
        for (int i = 0; i < 4; i++, p->at++) {
                int digit = hex_value(peek(p->text, p->at));
                if (digit < 0)
                        return wrong(p, "a bad \\u escape");
                *ret = *ret << 4 | (uint32_t)digit;
        }
        return 0;
}

static void add_character(struct buf *out, uint32_t c)
{
        char s[4];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
        for (size_t i = n; i-- > 1; c >>= 6)
                s[i] = (char)(0x80 | (c & 0x3f));
        s[0] = (char)(lead[n] | c);
        buf_add(out, s, n);
}

/* Behind a backslash. */
static int escape(struct parser *p)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        int c = peek(p->text, p->at++);
        const char *known = c > 0 ? strchr(from, c) : NULL;
        if (known) {
                buf_addc(&p->scratch, to[known - from]);
                return 0;
        }
        uint32_t code, low;
        if (c != 'u' || hex4(p, &code) < 0)
                return wrong(p, "a bad escape");
        if (code >= 0xd800 && code < 0xdc00) {
                if (peek(p->text, p->at) != '\\' || peek(p->text, p->at + 1) != 'u')
                        return wrong(p, "half a surrogate pair");
                p->at += 2;
                if (hex4(p, &low) < 0 || low < 0xdc00 || low > 0xdfff)
                        return wrong(p, "half a surrogate pair");
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else if ((code >= 0xdc00 && code < 0xe000) || code == 0) {
                return wrong(p, code ? "half a surrogate pair" : "a NUL in a text");
        }
        add_character(&p->scratch, code);
        return 0;
}

/* From behind the opening quote to behind the closing one, decoded into the scratch buffer. */
static int decode(struct parser *p)
{
        buf_reset(&p->scratch);
        for (int c; (c = peek(p->text, p->at)) != '"';) {
                if (c < ' ')
                        return wrong(p, c < 0 ? "a text without an end"
                                              : "a control character in a text");
                if (c == '\\') {
                        p->at++;
                        if (escape(p) < 0)
                                return -1;
                        continue;
                }
                if (c < 0x80) {
                        buf_addc(&p->scratch, (char)c);
                        p->at++;
                        continue;
                }
                char s[4];
                size_t n = 0;
                for (int more; n < sizeof s && (more = peek(p->text, p->at + (int64_t)n)) >= 0; n++)
                        s[n] = (char)more;
                size_t len = utf8_length(s, n);
                if (len == 0)
                        return wrong(p, "a text that is not UTF-8");
                buf_add(&p->scratch, s, len);
                p->at += (int64_t)len;
        }
        p->at++;
        return p->scratch.failed ? no_memory(p) : 0;
}

static int keep(struct parser *p, struct span *ret)
{
        *ret = (struct span){ "", 0 };
        if (!p->arena)
                return 0;
        const char *copy = arena_strndup(p->arena, buf_str(&p->scratch), p->scratch.len);
        *ret = (struct span){ copy, p->scratch.len };
        return copy ? 0 : no_memory(p);
}

static size_t digits(struct parser *p)
{
        size_t n = 0;
        for (int c; (c = peek(p->text, p->at)) >= '0' && c <= '9'; p->at++, n++)
                buf_addc(&p->scratch, (char)c);
        return n;
}

static bool take(struct parser *p, const char *set)
{
        int c = peek(p->text, p->at);
        if (c <= 0 || !strchr(set, c))
                return false;
        buf_addc(&p->scratch, (char)c);
        p->at++;
        return true;
}

static int number(struct parser *p, struct json_node *ret)
{
        buf_reset(&p->scratch);
        (void)take(p, "-");
        bool zero = peek(p->text, p->at) == '0';
        size_t n = digits(p);
        if (n == 0 || (zero && n > 1) || (take(p, ".") && digits(p) == 0))
                return wrong(p, "a bad number");
        if (take(p, "eE")) {
                (void)take(p, "+-");
                if (digits(p) == 0)
                        return wrong(p, "a bad number");
        }
        ret->kind = JSON_NUMBER;
        return p->scratch.failed ? no_memory(p) : keep(p, &ret->text);
}

static int literal(struct parser *p, const char *word, enum json_kind kind, struct json_node *ret)
{
        for (const char *w = word; *w; w++, p->at++)
                if (peek(p->text, p->at) != *w)
                        return wrong(p, "an unknown word");
        ret->kind = kind;
        return 0;
}

static int value(struct parser *p, int depth, struct json_node *ret);

/* Where the member of that key is, or where the next one goes. A key that stands twice has its last
 * value, in its first place. */
static struct json_node **slot(struct json_node *object, const char *key, size_t n,
                               struct json_node **last)
{
        if (n < MEMBERS_CHECKED)
                for (struct json_node **m = &object->first; *m; m = &(*m)->next)
                        if (strcmp((*m)->key, key) == 0)
                                return m;
        return *last ? &(*last)->next : &object->first;
}

static int member(struct parser *p, int depth, struct json_node *ret, size_t n,
                  struct json_node **last)
{
        struct span key;
        struct json_node passed = { 0 }, *m = &passed;
        if (skip_space(p) != '"')
                return wrong(p, "a key is missing");
        p->at++;
        if (decode(p) < 0 || keep(p, &key) < 0)
                return -1;
        if (skip_space(p) != ':')
                return wrong(p, "a colon is missing");
        p->at++;
        if (p->arena) {
                struct json_node **at = slot(ret, key.ptr, n, last);
                if (!*at) {
                        *at = *last = arena_alloc(p->arena, sizeof **at);
                        if (!*at)
                                return no_memory(p);
                }
                m = *at;
        }
        struct json_node *next = m->next;
        *m = (struct json_node){ .key = key.ptr };
        if (value(p, depth + 1, m) < 0)
                return -1;
        m->next = next;
        return 0;
}

static int object(struct parser *p, int depth, struct json_node *ret)
{
        struct json_node *last = NULL;
        ret->kind = JSON_MAP;
        if (skip_space(p) == '}') {
                p->at++;
                return 0;
        }
        for (size_t n = 0;; n++) {
                if (member(p, depth, ret, n, &last) < 0)
                        return -1;
                int c = skip_space(p);
                if (c != ',' && c != '}')
                        return wrong(p, "a comma or } is missing");
                p->at++;
                if (c == '}')
                        return 0;
        }
}

/* Only its place is kept. */
static int array(struct parser *p, int depth, struct json_node *ret)
{
        struct arena *kept = p->arena;
        *ret = (struct json_node){ .kind = JSON_LIST, .key = ret->key, .at = p->at };
        p->arena = NULL;
        int rc = 0, c = skip_space(p);
        if (c == ']')
                p->at++;
        while (rc == 0 && c != ']') {
                struct json_node element = { 0 };
                rc = value(p, depth + 1, &element);
                ret->count++;
                ret->has_map |= element.kind == JSON_MAP;
                c = rc < 0 ? -1 : skip_space(p);
                if (rc == 0 && c != ',' && c != ']')
                        rc = wrong(p, "a comma or ] is missing");
                p->at++;
        }
        p->arena = kept;
        return rc;
}

static int value(struct parser *p, int depth, struct json_node *ret)
{
        int c = skip_space(p);
        if (depth > DEPTH_MAX)
                return wrong(p, "nested too deeply");
        switch (c) {
        case '{':
                p->at++;
                return object(p, depth, ret);
        case '[':
                p->at++;
                return array(p, depth, ret);
        case '"':
                p->at++;
                ret->kind = JSON_TEXT;
                return decode(p) < 0 ? -1 : keep(p, &ret->text);
        case 't':
                return literal(p, "true", JSON_YES, ret);
        case 'f':
                return literal(p, "false", JSON_NO, ret);
        case 'n':
                return literal(p, "null", JSON_NULL_VALUE, ret);
        default:
                return number(p, ret);
        }
}

int json_document(struct json_text *t, struct arena *a, struct json_node *ret, struct err *e)
{
        struct parser p = { .text = t, .arena = a, .err = e, .scratch = { .max = TEXT_MAX } };
        *ret = (struct json_node){ 0 };
        int c = skip_space(&p);
        int rc = c == '{' || c == '[' ? value(&p, 0, ret) : wrong(&p, "it begins otherwise");
        if (rc == 0 && skip_space(&p) >= 0)
                rc = wrong(&p, "more behind its end");
        if (rc == 0 && t->failed)
                rc = wrong(&p, "");
        buf_deinit(&p.scratch);
        return rc;
}

struct json_walk json_walk(struct json_text *t, const struct json_node *list)
{
        return (struct json_walk){ t, list->at, list->count };
}

int json_next(struct json_walk *w, struct arena *a, struct json_node *ret, struct err *e)
{
        struct parser p = {
                .text = w->text, .at = w->at, .arena = a, .err = e, .scratch = { .max = TEXT_MAX }
        };
        *ret = (struct json_node){ 0 };
        if (w->left == 0)
                return 0;
        int rc = value(&p, 1, ret);
        if (rc == 0) {
                (void)skip_space(&p);
                w->at = p.at + 1; /* behind the comma */
                w->left--;
        }
        buf_deinit(&p.scratch);
        return rc < 0 ? -1 : 1;
}

const struct json_node *json_member(const struct json_node *object_, const char *key)
{
        for (const struct json_node *m = object_->first; m; m = m->next)
                if (strcmp(m->key, key) == 0)
                        return m;
        return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Mustache templates: parsed once, rendered with values. */
#include "template/template.h"

#include <stdlib.h>
#include <string.h>

enum kind { NODE_TEXT, NODE_VALUE, NODE_RAW, NODE_SECTION, NODE_INVERTED, NODE_END };

struct node {
        enum kind kind;
        struct span span; /* the text, or the name; points into the template's copy */
        size_t other; /* of a section: its end. While that is still open: the section around it. */
        int line;
};

struct template
{
        enum template_escape escape;
        char *text;
        struct node *nodes;
        size_t n, cap;
};

struct parser {
        struct template *t;
        const char *file;
        const char *p, *end;
        const char *line_start; /* of the line that `p` is in */
        int line;
        size_t open; /* innermost open section, or NONE */
        struct err *e;
};

struct tag {
        const char *start, *end; /* from the first brace to behind the last */
        char sigil;              /* '\0' for a value */
        struct span name;
        int line;
};

#define NONE SIZE_MAX

void template_free(struct template *t)
{
        if (!t)
                return;
        free(t->text);
        free(t->nodes);
        free(t);
}

static int add_node(struct parser *ps, enum kind kind, struct span span, int line)
{
        struct template *t = ps->t;
        if (t->n == t->cap) {
                size_t cap = t->cap ? t->cap * 2 : 32;
                struct node *nodes = reallocarray(t->nodes, cap, sizeof *nodes);
                if (!nodes)
                        return err_oom(ps->e);
                t->nodes = nodes;
                t->cap = cap;
        }
        t->nodes[t->n++] = (struct node){ .kind = kind, .span = span, .other = NONE, .line = line };
        return 0;
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
        return is_blank(c) || c == '\r' || c == '\n';
}

static bool is_name(struct span s)
{
        for (size_t i = 0; i < s.len; i++) {
                char c = s.ptr[i];
                if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '.' || c == '-'))
                        return false;
        }
        return s.len > 0;
}

static struct span trim(const char *from, const char *to)
{
        while (from < to && is_space(*from))
                from++;
        while (to > from && is_space(to[-1]))
                to--;
        return (struct span){ from, (size_t)(to - from) };
}

/* Reads the tag at `start`, which has two braces there. */
static int read_tag(struct parser *ps, const char *start, struct tag *ret)
{
        const char *inner = start + 2;
        char sigil = '\0';
        if (inner < ps->end)
                sigil = *inner;
        if (sigil && strchr("{&#^/!", sigil))
                inner++;
        else
                sigil = '\0';
        const char *close = sigil == '{' ? "}}}" : "}}";
        const char *end = memmem(inner, (size_t)(ps->end - inner), close, strlen(close));
        if (!end)
                return err_set(ps->e, ERR_FATAL, "", "%s:%d: tag is not closed: %s expected",
                               ps->file, ps->line, close);
        *ret = (struct tag){ start, end + strlen(close), sigil, trim(inner, end), ps->line };
        if (sigil != '!' && !is_name(ret->name)) {
                int shown = ret->name.len > 60 ? 60 : (int)ret->name.len;
                return err_set(
                        ps->e, ERR_FATAL, "",
                        "%s:%d: \"%.*s\" is not a name: letters, digits, '_', '.' and '-' expected",
                        ps->file, ps->line, shown, ret->name.ptr);
        }
        return 0;
}

/* Where the line after the tag begins when nothing but blanks shares the tag's lines with it; else
 * NULL. */
static const char *standalone(const struct parser *ps, const struct tag *tag)
{
        for (const char *p = ps->line_start; p < tag->start; p++)
                if (!is_blank(*p))
                        return NULL;
        const char *p = tag->end;
        while (p < ps->end && is_blank(*p))
                p++;
        if (p < ps->end && *p == '\r' && p + 1 < ps->end && p[1] == '\n')
                p++;
        if (p == ps->end)
                return p;
        return *p == '\n' ? p + 1 : NULL;
}

/* Counts lines up to `to`, where reading continues. */
static void advance(struct parser *ps, const char *to)
{
        for (const char *lf; (lf = memchr(ps->p, '\n', (size_t)(to - ps->p))); ps->p = lf + 1) {
                ps->line++;
                ps->line_start = lf + 1;
        }
        ps->p = to;
}

static int close_section(struct parser *ps, const struct tag *tag)
{
        if (ps->open == NONE)
                return err_set(ps->e, ERR_FATAL, "",
                               "%s:%d: {{/%.*s}} closes a section that is not open", ps->file,
                               tag->line, SPAN_FMT(tag->name));
        struct node *section = &ps->t->nodes[ps->open];
        if (!span_eq(section->span, tag->name))
                return err_set(ps->e, ERR_FATAL, "",
                               "%s:%d: {{/%.*s}} where {{/%.*s}} was expected, open since line %d",
                               ps->file, tag->line, SPAN_FMT(tag->name), SPAN_FMT(section->span),
                               section->line);
        ps->open = section->other;
        section->other = ps->t->n;
        return add_node(ps, NODE_END, tag->name, tag->line);
}

static int add_tag(struct parser *ps, const struct tag *tag)
{
        switch (tag->sigil) {
        case '!':
                return 0;
        case '/':
                return close_section(ps, tag);
        case '#':
        case '^':
                if (add_node(ps, tag->sigil == '#' ? NODE_SECTION : NODE_INVERTED, tag->name,
                             tag->line) < 0)
                        return -1;
                ps->t->nodes[ps->t->n - 1].other = ps->open;
                ps->open = ps->t->n - 1;
                return 0;
        case '\0':
                return add_node(ps, NODE_VALUE, tag->name, tag->line);
        default:
                return add_node(ps, NODE_RAW, tag->name, tag->line);
        }
}

static int parse_text(struct parser *ps)
{
        while (ps->p < ps->end) {
                const char *text = ps->p;
                const char *start = memmem(text, (size_t)(ps->end - text), "{{", 2);
                advance(ps, start ? start : ps->end);
                struct tag tag = { .start = ps->end };
                const char *alone = NULL;
                if (start) {
                        if (read_tag(ps, start, &tag) < 0)
                                return -1;
                        if (tag.sigil && strchr("#^/!", tag.sigil))
                                alone = standalone(ps, &tag);
                }
                const char *text_end = alone ? ps->line_start : tag.start;
                if (text_end > text &&
                    add_node(ps, NODE_TEXT, (struct span){ text, (size_t)(text_end - text) },
                             ps->line) < 0)
                        return -1;
                if (!start)
                        break;
                if (add_tag(ps, &tag) < 0)
                        return -1;
                advance(ps, alone ? alone : tag.end);
        }
        if (ps->open == NONE)
                return 0;
        const struct node *section = &ps->t->nodes[ps->open];
        return err_set(ps->e, ERR_FATAL, "", "%s:%d: section \"%.*s\" is not closed", ps->file,
                       section->line, SPAN_FMT(section->span));
}

int template_parse(const char *file, struct span text, enum template_escape escape,
                   struct template **ret, struct err *e)
{
        struct template *t CLEANUP(template_cleanup) = calloc(1, sizeof *t);
        if (!t || !(t->text = malloc(text.len + 1)))
                return err_oom(e);
        if (text.len)
                memcpy(t->text, text.ptr, text.len);
        t->text[text.len] = '\0';
        t->escape = escape;
        struct parser ps = {
                .t = t,
                .file = file,
                .p = t->text,
                .end = t->text + text.len,
                .line_start = t->text,
                .line = 1,
                .open = NONE,
                .e = e,
        };
        if (parse_text(&ps) < 0)
                return -1;
        *ret = TAKE(t);
        return 0;
}

static void add_escaped(struct buf *out, struct span s)
{
        size_t from = 0;
        for (size_t i = 0; i < s.len; i++) {
                const char *entity;
                switch (s.ptr[i]) {
                case '&':
                        entity = "&amp;";
                        break;
                case '<':
                        entity = "&lt;";
                        break;
                case '>':
                        entity = "&gt;";
                        break;
                case '"':
                        entity = "&quot;";
                        break;
                case '\'':
                        entity = "&#39;";
                        break;
                default:
                        continue;
                }
                buf_add(out, s.ptr + from, i - from);
                buf_adds(out, entity);
                from = i + 1;
        }
        buf_add(out, s.ptr + from, s.len - from);
}

static bool is_shown(struct span value)
{
        return value.ptr && value.len && !span_is(value, "false") && !span_is(value, "f");
}

void template_render(const struct template *t, template_lookup lookup, void *ctx, struct buf *out)
{
        for (size_t i = 0; i < t->n; i++) {
                const struct node *node = &t->nodes[i];
                struct span value = { 0 };
                if (node->kind != NODE_TEXT && node->kind != NODE_END)
                        value = lookup(ctx, node->span);
                switch (node->kind) {
                case NODE_TEXT:
                        buf_add_span(out, node->span);
                        break;
                case NODE_VALUE:
                        if (t->escape == TEMPLATE_HTML && value.ptr) {
                                add_escaped(out, value);
                                break;
                        }
                        /* fall through */
                case NODE_RAW:
                        if (value.ptr)
                                buf_add_span(out, value);
                        break;
                case NODE_SECTION:
                case NODE_INVERTED:
                        if (is_shown(value) != (node->kind == NODE_SECTION))
                                i = node->other;
                        break;
                case NODE_END:
                        break;
                }
        }
}

static bool is_used_before(const struct template *t, size_t at)
{
        for (size_t i = 0; i < at; i++)
                if (t->nodes[i].kind != NODE_TEXT && span_eq(t->nodes[i].span, t->nodes[at].span))
                        return true;
        return false;
}

int template_names(const struct template *t, int (*fn)(void *ctx, struct span name, int line),
                   void *ctx)
{
        for (size_t i = 0; i < t->n; i++) {
                const struct node *node = &t->nodes[i];
                if (node->kind == NODE_TEXT || node->kind == NODE_END || is_used_before(t, i))
                        continue;
                int r = fn(ctx, node->span, node->line);
                if (r)
                        return r;
        }
        return 0;
}

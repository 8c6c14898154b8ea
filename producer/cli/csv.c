/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a CSV file, read one at a time. */
#include "csv.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

struct csv {
        FILE *file;
        struct buf text; /* the fields of the record, each with its NUL */
        /* where each begins: in the text, in the file */
        size_t starts[CSV_FIELDS_MAX], lines[CSV_FIELDS_MAX], columns[CSV_FIELDS_MAX];
        const char *fields[CSV_FIELDS_MAX];
        size_t n;
        size_t line, next_line, column; /* column: bytes of the present line that are taken */
        int ahead[3];                   /* read, but not yet taken; the last one first */
        size_t n_ahead;
        bool begun;
};

struct csv *csv_new(FILE *f)
{
        struct csv *c = calloc(1, sizeof *c);
        if (!c)
                return NULL;
        c->file = f;
        c->next_line = 1;
        buf_init(&c->text, CSV_RECORD_MAX);
        return c;
}

void csv_free(struct csv *c)
{
        if (!c)
                return;
        buf_deinit(&c->text);
        free(c);
}

size_t csv_line(const struct csv *c)
{
        return c->line;
}

static int get_raw(struct csv *c)
{
        return c->n_ahead ? c->ahead[--c->n_ahead] : getc_unlocked(c->file);
}

static int next_character(struct csv *c)
{
        int ch = get_raw(c);
        if (ch == '\r') { /* CRLF counts as one line end */
                int next = get_raw(c);
                if (next == '\n')
                        ch = next;
                else
                        c->ahead[c->n_ahead++] = next;
        }
        c->column = ch == '\n' ? 0 : c->column + 1;
        if (ch == '\n')
                c->next_line++;
        return ch;
}

/* Tabs and line ends are text, in a quoted field; what else controls a terminal, or ends a text
 * early as NUL does, is not. */
static bool is_control(int ch)
{
        return (ch >= 0 && ch < 0x20 && ch != '\t' && ch != '\n' && ch != '\r') || ch == 0x7f;
}

static void skip_line(struct csv *c, int ch)
{
        while (ch != '\n' && ch != EOF)
                ch = next_character(c);
}

/* The content of a quoted field, whose opening quote is taken. What follows the closing one is
 * returned, -2 when there is none. */
static int read_quoted(struct csv *c, bool *ret_control)
{
        for (;;) {
                int ch = next_character(c);
                if (ch == EOF)
                        return -2;
                *ret_control = is_control(ch);
                if (*ret_control)
                        return ch;
                if (ch == '"' && (ch = next_character(c)) != '"')
                        return ch;
                buf_addc(&c->text, (char)ch);
        }
}

static int control(struct csv *c, int ch, struct err *e)
{
        size_t line = c->next_line, column = c->column;
        skip_line(c, ch);
        return err_set(e, ERR_INPUT, "", "%s (0x%02x) at line %zu, column %zu",
                       ch ? "a control character" : "a NUL character", (unsigned)ch, line, column);
}

static int bad_record(struct csv *c, int ch, struct err *e, const char *why)
{
        skip_line(c, ch);
        return err_set(e, ERR_INPUT, "", "%s", why);
}

/* One field from its first character on; gives what ended it in `ret_end`. */
static int read_field(struct csv *c, int ch, int *ret_end, struct err *e)
{
        if (c->n == CSV_FIELDS_MAX)
                return bad_record(c, ch, e, "more than 256 fields");
        c->lines[c->n] = c->next_line;
        c->columns[c->n] = c->column;
        c->starts[c->n++] = c->text.len;
        if (ch == '"') {
                bool is_bad = false;
                ch = read_quoted(c, &is_bad);
                if (is_bad)
                        return control(c, ch, e);
                if (ch == -2)
                        return err_set(e, ERR_INPUT, "",
                                       "a quote is not closed before the file ends");
                if (ch != ',' && ch != '\n' && ch != EOF)
                        return bad_record(
                                c, ch, e,
                                "a closing quote is not followed by a comma or a line end");
        } else {
                for (; ch != ',' && ch != '\n' && ch != EOF; ch = next_character(c)) {
                        if (is_control(ch))
                                return control(c, ch, e);
                        if (ch == '"')
                                return bad_record(
                                        c, ch, e,
                                        "a quote stands within a field that is not quoted");
                        buf_addc(&c->text, (char)ch);
                }
        }
        buf_addc(&c->text, '\0');
        *ret_end = ch;
        return 0;
}

/* A byte order mark, which spreadsheets write, is passed over; other texts begin with 0xEF, too. */
static void skip_mark(struct csv *c)
{
        int one = get_raw(c), two = get_raw(c), three = get_raw(c);
        if (one == 0xef && two == 0xbb && three == 0xbf)
                return;
        c->ahead[c->n_ahead++] = three;
        c->ahead[c->n_ahead++] = two;
        c->ahead[c->n_ahead++] = one;
}

static int first_character(struct csv *c)
{
        if (!c->begun)
                skip_mark(c);
        c->begun = true;
        return next_character(c);
}

/* The byte of a field that is not UTF-8, where the field begins on the same line. */
static int check_utf8(const struct csv *c, size_t field, struct err *e)
{
        size_t line = c->lines[field], column = c->columns[field];
        for (const char *s = c->fields[field]; *s;) {
                size_t n = (unsigned char)*s < 0x80 ? 1 : utf8_length(s, strlen(s));
                if (n == 0)
                        return err_set(e, ERR_INPUT, "",
                                       "a byte (0x%02x) that is not UTF-8 at line %zu, column %zu",
                                       (unsigned char)*s, line, column);
                column = *s == '\n' ? 1 : column + n;
                line += *s == '\n';
                s += n;
        }
        return 0;
}

int csv_next(struct csv *c, const char *const **ret_fields, size_t *ret_n, struct err *e)
{
        int ch;
        do {
                c->line = c->next_line;
                ch = first_character(c);
        } while (ch == '\n');
        if (ch == EOF)
                return 0;
        c->n = 0;
        buf_reset(&c->text);
        for (int end = ',', first = ch; end == ',';) {
                if (read_field(c, first, &end, e) < 0)
                        return -1;
                if (end == ',')
                        first = next_character(c);
        }
        if (c->text.oom)
                return err_oom(e);
        if (c->text.failed)
                return err_set(e, ERR_INPUT, "", "the record is longer than %d bytes",
                               CSV_RECORD_MAX);
        for (size_t i = 0; i < c->n; i++) {
                c->fields[i] = c->text.data + c->starts[i];
                if (check_utf8(c, i, e) < 0)
                        return -1;
        }
        *ret_fields = c->fields;
        *ret_n = c->n;
        return 1;
}

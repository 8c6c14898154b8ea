/* SPDX-License-Identifier: Apache-2.0 */
/* Composes a mail: addresses, encoded headers, text and HTML parts. */
#include "mail/message.h"

#include "base/utf8.h"
#include "base/uuid.h"
#include "mail/address.h"

#include <stdio.h>
#include <string.h>

enum {
        /* RFC 2047: a line with an encoded word; RFC 2045: a quoted-printable line */
        LINE_MAX_ENCODED = 76,
        WORD_MAX_ENCODED = 75,
        PLAIN_WORD_MAX = 60, /* longer runs without a blank cannot be folded well and are encoded */
        VALUE_MAX = 900,     /* of a header value that is not folded; a line has at most 998 */
        DAY = 86400,
};

#define WORD_START_Q "=?UTF-8?Q?"
#define WORD_START_B "=?UTF-8?B?"
#define WORD_END "?="

/* UTF-8 without control characters, neither of ASCII nor U+0080–U+009F. */
static int check_text(const char *header, struct span s, struct err *e)
{
        for (size_t i = 0, n; i < s.len; i += n) {
                n = utf8_length(s.ptr + i, s.len - i);
                unsigned char c = (unsigned char)s.ptr[i];
                if (n == 0)
                        return err_set(e, ERR_INPUT, "", "%s is not UTF-8 (byte %zu)", header,
                                       i + 1);
                if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s.ptr[i + 1] < 0xa0))
                        return err_set(e, ERR_INPUT, "", "%s has a control character (byte %zu)",
                                       header, i + 1);
        }
        return 0;
}

/* A value that goes into the header as it is: printable ASCII; `strict`: no blank and no angle
 * bracket either. */
static int check_token(const char *header, struct span s, bool strict, struct err *e)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e || (strict && strchr(" <>", s.ptr[i])))
                        return err_set(e, ERR_INPUT, "",
                                       "%s has a character that is not allowed there (byte %zu)",
                                       header, i + 1);
        if (s.len > VALUE_MAX)
                return err_set(e, ERR_INPUT, "", "%s has more than %d characters", header,
                               VALUE_MAX);
        return 0;
}

static int check_mail(const struct mail *m, struct err *e)
{
        if (mail_check_address(m->from_address, e) < 0)
                return err_prefix(e, "From");
        if (mail_check_address(m->to_address, e) < 0)
                return err_prefix(e, "To");
        if (m->reply_to.ptr && mail_check_address(m->reply_to, e) < 0)
                return err_prefix(e, "Reply-To");
        if (check_text("From", m->from_name, e) < 0 || check_text("To", m->to_name, e) < 0 ||
            check_text("Subject", m->subject, e) < 0 ||
            check_token("Message-ID", m->message_id, true, e) < 0 ||
            check_token("List-Id", m->list_id, false, e) < 0 ||
            check_token("List-Unsubscribe", m->list_unsubscribe, true, e) < 0)
                return -1;
        const char *at = m->message_id.len ? memchr(m->message_id.ptr, '@', m->message_id.len)
                                           : NULL;
        if (!at || at == m->message_id.ptr || at + 1 == m->message_id.ptr + m->message_id.len)
                return err_set(e, ERR_INPUT, "", "Message-ID is not left@right");
        return 0;
}

/* Characters on the line that is being written. */
static size_t column(const struct buf *out)
{
        const char *lf = out->len ? memrchr(out->data, '\n', out->len) : NULL;
        return lf ? (size_t)(out->data + out->len - lf - 1) : out->len;
}

static void fold(struct buf *out)
{
        buf_adds(out, "\r\n ");
}

/* What an encoded word may show as it is, in a phrase too (RFC 2047, section 5, rule 3). */
static bool is_plain_q(unsigned char c)
{
        return mail_is_alnum(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/' ||
               c == ' ';
}

static void add_hex(struct buf *out, unsigned char c)
{
        static const char digits[] = "0123456789ABCDEF";
        buf_add(out, (const char[]){ '=', digits[c >> 4], digits[c & 15] }, 3);
}

static size_t q_length(struct span s)
{
        size_t n = 0;
        for (size_t i = 0; i < s.len; i++)
                n += is_plain_q((unsigned char)s.ptr[i]) ? 1 : 3;
        return n;
}

static size_t b_length(struct span s)
{
        return (s.len + 2) / 3 * 4;
}

static void add_q(struct buf *out, struct span s)
{
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.ptr[i];
                if (is_plain_q(c))
                        buf_addc(out, c == ' ' ? '_' : (char)c);
                else
                        add_hex(out, c);
        }
}

static void add_b(struct buf *out, struct span s)
{
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const unsigned char *u = (const unsigned char *)s.ptr;
        for (size_t i = 0; i < s.len; i += 3) {
                size_t n = s.len - i;
                unsigned v = (unsigned)u[i] << 16 | (n > 1 ? (unsigned)u[i + 1] << 8 : 0) |
                             (n > 2 ? (unsigned)u[i + 2] : 0);
                buf_addc(out, digits[v >> 18]);
                buf_addc(out, digits[v >> 12 & 63]);
                buf_addc(out, n > 1 ? digits[v >> 6 & 63] : '=');
                buf_addc(out, n > 2 ? digits[v & 63] : '=');
        }
}

/* Encoded words, cut between characters, in the shorter of the two encodings. */
static void add_encoded(struct buf *out, struct span s)
{
        bool q = q_length(s) <= b_length(s);
        size_t frame = strlen(WORD_START_Q WORD_END);
        while (s.len && !out->failed) {
                size_t used = column(out),
                       line = LINE_MAX_ENCODED -
                              (used < LINE_MAX_ENCODED ? used : LINE_MAX_ENCODED);
                size_t room = line < WORD_MAX_ENCODED ? line : WORD_MAX_ENCODED, n = 0;
                for (size_t c; n < s.len; n += c) {
                        c = utf8_length(s.ptr + n, s.len - n);
                        struct span longer = { s.ptr, n + c };
                        if (frame + (q ? q_length(longer) : b_length(longer)) > room)
                                break;
                }
                if (n == 0) { /* not even one character: only behind a long header name */
                        fold(out);
                        continue;
                }
                struct span word = { s.ptr, n };
                buf_adds(out, q ? WORD_START_Q : WORD_START_B);
                (q ? add_q : add_b)(out, word);
                buf_adds(out, WORD_END);
                s.ptr += n;
                s.len -= n;
                if (s.len)
                        fold(out);
        }
}

/* Text that can stand as it is and be folded at any of its blanks. */
static bool is_plain(struct span s)
{
        size_t word = 0;
        for (size_t i = 0; i < s.len; i++) {
                char c = s.ptr[i];
                bool edge = i == 0 || i + 1 == s.len || s.ptr[i - 1] == ' ';
                if (c < 0x20 || c > 0x7e || (c == ' ' && edge))
                        return false;
                word = c == ' ' ? 0 : word + 1;
                if (word > PLAIN_WORD_MAX)
                        return false;
        }
        return s.len == 0 || !memmem(s.ptr, s.len, "=?", 2);
}

static void add_folded(struct buf *out, struct span s)
{
        while (s.len) {
                const char *blank = memchr(s.ptr, ' ', s.len);
                size_t n = blank ? (size_t)(blank - s.ptr) : s.len;
                bool first = out->len && out->data[out->len - 1] == ' ';
                if (column(out) + 1 + n > LINE_MAX_ENCODED)
                        fold(out);
                else if (!first)
                        buf_addc(out, ' ');
                buf_add(out, s.ptr, n);
                n += blank != NULL;
                s.ptr += n;
                s.len -= n;
        }
}

static void add_phrase(struct buf *out, struct span s)
{
        bool atoms = true;
        for (size_t i = 0; i < s.len; i++)
                atoms = atoms && (mail_is_atext((unsigned char)s.ptr[i]) || s.ptr[i] == ' ');
        if (!is_plain(s) || (!atoms && s.len > PLAIN_WORD_MAX)) {
                add_encoded(out, s);
        } else if (atoms) {
                add_folded(out, s);
        } else {
                buf_addc(out, '"');
                for (size_t i = 0; i < s.len; i++) {
                        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
                                buf_addc(out, '\\');
                        buf_addc(out, s.ptr[i]);
                }
                buf_addc(out, '"');
        }
}

static void add_mailbox(struct buf *out, const char *header, struct span name, struct span address)
{
        buf_addf(out, "%s: ", header);
        if (name.len) {
                add_phrase(out, name);
                if (column(out) + strlen(" <>") + address.len > LINE_MAX_ENCODED)
                        fold(out);
                else
                        buf_addc(out, ' ');
                buf_addf(out, "<%.*s>\r\n", SPAN_FMT(address));
        } else {
                buf_addf(out, "%.*s\r\n", SPAN_FMT(address));
        }
}

static void add_date(struct buf *out, instant t)
{
        /* day 0 was a Thursday */
        static const char *const weekdays[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
        static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
        int64_t s = t / INSTANT_SECOND - (t % INSTANT_SECOND < 0);
        int64_t days = s / DAY - (s % DAY < 0), rest = s - days * DAY;
        int y, m, d;
        civil_from_days(days, &y, &m, &d);
        buf_addf(out, "Date: %s, %d %s %04d %02d:%02d:%02d +0000\r\n", weekdays[(days % 7 + 7) % 7],
                 d, months[m - 1], y, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
}

static void add_headers(const struct mail *m, struct buf *out)
{
        add_date(out, m->date);
        add_mailbox(out, "From", m->from_name, m->from_address);
        if (m->reply_to.ptr)
                add_mailbox(out, "Reply-To", (struct span){ 0 }, m->reply_to);
        add_mailbox(out, "To", m->to_name, m->to_address);
        buf_adds(out, "Subject: ");
        (is_plain(m->subject) ? add_folded : add_encoded)(out, m->subject);
        buf_addf(out, "\r\nMessage-ID: <%.*s>\r\n", SPAN_FMT(m->message_id));
        if (m->list_id.len)
                buf_addf(out,
                         memchr(m->list_id.ptr, '<', m->list_id.len) ? "List-Id: %.*s\r\n"
                                                                     : "List-Id: <%.*s>\r\n",
                         SPAN_FMT(m->list_id));
        if (m->list_unsubscribe.len)
                buf_addf(out, "List-Unsubscribe: <%.*s>\r\n", SPAN_FMT(m->list_unsubscribe));
        buf_adds(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
}

/* Line ends of any kind become CRLF; everything but printable ASCII is encoded, so no line can be
 * too long or begin with anything odd. */
static void add_quoted_printable(struct buf *out, struct span s)
{
        size_t line = 0;
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.ptr[i];
                bool crlf = c == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n';
                if (c == '\n' || c == '\r') {
                        i += crlf;
                        buf_adds(out, "\r\n");
                        line = 0;
                        continue;
                }
                bool ends = i + 1 == s.len || s.ptr[i + 1] == '\n' || s.ptr[i + 1] == '\r';
                bool blank = c == ' ' || c == '\t';
                bool plain = blank ? !ends : c > ' ' && c < 0x7f && c != '=';
                size_t width = plain ? 1 : 3;
                /* the last place is for '=' unless the line ends anyway */
                if (line + width > LINE_MAX_ENCODED - (ends ? 0U : 1U)) {
                        buf_adds(out, "=\r\n");
                        line = 0;
                }
                if (plain)
                        buf_addc(out, (char)c);
                else
                        add_hex(out, c);
                line += width;
        }
}

static void add_part(struct buf *out, const char *subtype, struct span body)
{
        buf_addf(out,
                 "Content-Type: text/%s; charset=UTF-8\r\nContent-Transfer-Encoding: "
                 "quoted-printable\r\n\r\n",
                 subtype);
        add_quoted_printable(out, body);
}

/* "=_" cannot occur in quoted-printable text, so neither body can contain the boundary; RFC 2045
 * suggests it. */
static void add_alternatives(const struct mail *m, struct buf *out)
{
        static const struct uuid space = { { 0x3b, 0x0e, 0x1d, 0x52, 0x9a, 0x5c, 0x4f, 0x0b, 0x8e,
                                             0x37, 0x6c, 0x21, 0xd4, 0x90, 0x75, 0xaf } };
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(uuid_v5(space, m->message_id.ptr, m->message_id.len), id);
        buf_addf(out,
                 "Content-Type: multipart/alternative;\r\n boundary=\"=_%s\"\r\n\r\n--=_%s\r\n", id,
                 id);
        add_part(out, "plain", m->text);
        buf_addf(out, "\r\n--=_%s\r\n", id);
        add_part(out, "html", m->html);
        buf_addf(out, "\r\n--=_%s--\r\n", id);
}

int mail_render(const struct mail *m, struct buf *out, struct err *e)
{
        if (check_mail(m, e) < 0)
                return -1;
        size_t start = out->len;
        add_headers(m, out);
        if (m->html.ptr) {
                add_alternatives(m, out);
        } else {
                add_part(out, "plain", m->text);
                if (column(out) > 0)
                        buf_adds(out, "\r\n");
        }
        if (!out->failed)
                return 0;
        out->len = start;
        if (out->oom)
                return err_oom(e);
        return err_set(e, ERR_INPUT, "", "the message is larger than %zu bytes", out->max - start);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A message made of ten pieces. Whatever they hold: CRLF line ends, short lines, each header once,
 * exactly the recipient that was checked. */
#include "fuzz.h"
#include "mail/address.h"
#include "mail/message.h"

enum { LINE_MAX = 998 };

static size_t lines_starting(const struct buf *b, size_t header_len, const char *word)
{
        size_t n = 0, len = strlen(word);
        for (size_t at = 0; at < header_len;) {
                n += header_len - at >= len && strncasecmp(b->data + at, word, len) == 0;
                const char *end = memchr(b->data + at, '\n', header_len - at);
                at = end ? (size_t)(end - b->data) + 1 : header_len;
        }
        return n;
}

static void check(const struct buf *b)
{
        static const char *const once[] = { "from:",          "to:",   "subject:",
                                            "message-id:",    "date:", "mime-version:",
                                            "auto-submitted:" };
        const char *body = strstr(buf_str(b), "\r\n\r\n");
        PROMISE(body && strlen(buf_str(b)) == b->len);
        size_t header_len = (size_t)(body - b->data) + 2, start = 0;
        for (size_t i = 0; i < b->len; i++) {
                PROMISE(b->data[i] != '\n' || (i > 0 && b->data[i - 1] == '\r'));
                PROMISE(b->data[i] != '\r' || b->data[i + 1] == '\n');
                PROMISE((unsigned char)b->data[i] < 0x80);
                if (b->data[i] == '\n') {
                        PROMISE(i - start <= LINE_MAX);
                        start = i + 1;
                }
        }
        for (size_t i = 0; i < sizeof once / sizeof *once; i++)
                PROMISE(lines_starting(b, header_len, once[i]) == 1);
        PROMISE(lines_starting(b, header_len, "bcc:") == 0 &&
                lines_starting(b, header_len, "cc:") == 0);
}

static struct span optional(struct span s)
{
        return s.len ? s : (struct span){ 0 };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct span rest = fuzz_input(data, size);
        struct buf out BUF_CLEANUP;
        struct err e = ERR_INIT;
        struct mail m = { .date = INT64_C(1795251600000000) };
        struct span *const pieces[] = {
                &m.from_name,       &m.from_address, &m.to_name, &m.to_address, &m.reply_to,
                &m.subject,         &m.text,         &m.html,    &m.message_id, &m.list_id,
                &m.list_unsubscribe
        };
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
                *pieces[i] = fuzz_piece(&rest);
        m.reply_to = optional(m.reply_to);
        m.html = optional(m.html);
        m.list_id = optional(m.list_id);
        m.list_unsubscribe = optional(m.list_unsubscribe);
        buf_init(&out, 4 * 1024 * 1024);
        if (mail_render(&m, &out, &e) < 0) {
                PROMISE(e.class == ERR_INPUT && e.text[0]);
                return 0;
        }
        PROMISE(mail_check_address(m.to_address, &e) == 0);
        check(&out);
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What libcurl reports of an SMTP dialogue, as a relay might answer. The reader of replies is
 * private to its file, hence this include. */
#include "mail/smtp_connection.c" // NOLINT

#include "fuzz.h"

/* Each piece: one byte says what it is, the rest are its bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct span rest = fuzz_input(data, size);
        struct smtp_connection l = { .message = SPAN_LIT("Subject: x\r\n\r\nbody\r\n") };
        struct envelope m = { .to = "a@example.org" };
        CURLcode result = CURLE_RECV_ERROR;
        char block[8];
        while (rest.len) {
                struct span piece = fuzz_piece(&rest);
                /* no NUL after it: libcurl promises none */
                char *line CLEANUP(cleanup_free) = malloc(piece.len ? piece.len : 1);
                size_t len = piece.len ? piece.len - 1 : 0;
                PROMISE(line);
                memcpy(line, piece.len ? piece.ptr + 1 : "", len);
                switch (piece.len ? piece.ptr[0] : 0) {
                case '<':
                        on_debug(NULL, CURLINFO_HEADER_IN, line, len, &l);
                        break;
                case '>':
                        on_debug(NULL, CURLINFO_HEADER_OUT, line, len, &l);
                        break;
                case 'd':
                        on_read(block, 1, sizeof block, &l);
                        break;
                case '.':
                        result = CURLE_OK;
                        break;
                case 'k':
                        l.kept = true;
                        break;
                default:
                        break;
                }
                PROMISE(l.given <= l.message.len && l.reply >= 0 && l.reply <= 999);
        }
        judge(&l, result, &m);
        PROMISE(m.state != SEND_PENDING && !strchr(m.reason, '\n'));
        PROMISE(m.state != SEND_DONE || result == CURLE_OK || (l.reply >= 200 && l.reply < 300));
        /* for good only by a 5xx to this message */
        PROMISE(m.state != SEND_REFUSED || (m.code >= 500 && l.mail_sent));
        (void)is_stale(&l);
        return 0;
}

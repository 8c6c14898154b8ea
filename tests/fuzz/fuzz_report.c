/* SPDX-License-Identifier: Apache-2.0 */
/* A report's document in every format; the CSV is read again, with the reader of another part, and
 * holds no formula; a list's rows have one width. */
#include "../../producer/cli/csv.h"
#include "fuzz.h"
#include "report/report.h"

static void read_again(const struct buf *csv, bool list)
{
        char *copy CLEANUP(cleanup_free) = fuzz_text((struct span){ buf_str(csv), csv->len });
        FILE *f = csv->len ? fmemopen(copy, csv->len, "r") : NULL;
        struct csv *c = f ? csv_new(f) : NULL;
        const char *const *fields;
        size_t n, width = 0;
        struct err e = ERR_INIT;
        int rc;
        if (!c) {
                PROMISE(!f);
                return;
        }
        while ((rc = csv_next(c, &fields, &n, &e)) > 0) {
                PROMISE(!list || width == 0 || n == width);
                width = n;
                for (size_t i = 0; i < n; i++)
                        PROMISE(!strchr("=@", fields[i][0]) || !fields[i][0]); /* no formulas */
        }
        PROMISE(rc == 0 || csv->len > CSV_RECORD_MAX || strstr(e.text, "fields"));
        csv_free(c);
        fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text CLEANUP(cleanup_free) = fuzz_text(fuzz_input(data, size));
        for (int format = REPORT_TABLE; format <= REPORT_CSV; format++) {
                struct buf out BUF_CLEANUP;
                struct err e = ERR_INIT;
                buf_init(&out, 4 * 1024 * 1024);
                if (report_render("Title", (struct span){ text, size }, (enum report_format)format,
                                  &out, &e) < 0)
                        PROMISE(e.text[0]);
                else if (format == REPORT_CSV && !out.failed)
                        read_again(&out, text[strspn(text, " \t\r\n")] == '[');
                for (size_t i = 0; format == REPORT_TABLE && i < out.len; i++)
                        /* nothing that moves a cursor */
                        PROMISE((unsigned char)out.data[i] >= 0x20 || out.data[i] == '\n');
        }
        return 0;
}

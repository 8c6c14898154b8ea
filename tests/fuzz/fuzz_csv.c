/* SPDX-License-Identifier: Apache-2.0 */
/* A CSV file of tasks, as tasks submit reads it. */
#include "../../producer/cli/csv.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *copy CLEANUP(cleanup_free) = fuzz_text(fuzz_input(data, size));
        FILE *f = size ? fmemopen(copy, size, "r") : NULL;
        if (!f)
                return 0;
        struct csv *c = csv_new(f);
        PROMISE(c);
        for (size_t turns = 0, line = 0;; turns++) {
                struct err e = ERR_INIT;
                const char *const *fields;
                size_t n;
                int rc = csv_next(c, &fields, &n, &e);
                PROMISE(turns <= size + 1);
                if (rc == 0)
                        break;
                PROMISE(csv_line(c) > line);
                line = csv_line(c);
                for (size_t i = 0; rc > 0 && i < n; i++)
                        PROMISE(strlen(fields[i]) <= size);
        }
        csv_free(c);
        fclose(f);
        return 0;
}

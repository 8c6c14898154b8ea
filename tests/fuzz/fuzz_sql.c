/* SPDX-License-Identifier: Apache-2.0 */
/* A pack's statement with :names: what is bound must be numbered without gaps, and texts, comments
 * and casts left alone. */
#include "fuzz.h"
#include "pack/statement.h"

static const struct parameter settings[] = {
        { .name = "role", .type = VALUE_TEXT, .min = INT64_MIN, .max = INT64_MAX },
        { .name = "days", .type = VALUE_INTEGER, .min = INT64_MIN, .max = INT64_MAX },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char path[] = "sql/a.sql";
        struct pack p = { .name = "p",
                          .time_zone = "UTC",
                          .settings = (struct parameter *)(uintptr_t)settings,
                          .n_settings = 2 };
        struct bound_sql b = { 0 };
        struct err e = ERR_INIT;
        char *text CLEANUP(cleanup_free) = fuzz_text(fuzz_input(data, size));
        char name[sizeof path];
        memcpy(name, path, sizeof path);
        struct sql_file f = { .path = name, .text = text };
        if (sql_bind(&f, &p, NULL, 0, 7, &b, &e) < 0) {
                PROMISE(e.class == ERR_FATAL && strncmp(e.text, path, sizeof path - 1) == 0);
                return 0;
        }
        PROMISE(b.first == 7);
        for (size_t i = 0; i < b.n_names; i++) {
                char number[32];
                snprintf(number, sizeof number, "$%zu", i + 7);
                PROMISE(b.names[i] && strstr(b.text, number));
        }
        bound_sql_deinit(&b);
        return 0;
}

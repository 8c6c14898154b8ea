/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The report files that were written last. */
#include "output.h"

#include <sys/types.h>
#include <time.h>

enum { NEWEST_FILES = 5 };

struct newest {
        struct {
                char *path;
                time_t at;
                off_t size;
        } list[NEWEST_FILES];
        size_t n;
};

void newest_deinit(struct newest *w);
/* Looks through the folder, and those in it up to some depth; `depth` is 0 for the caller. */
void newest_scan(struct newest *w, const char *folder, int depth);
void newest_print(const struct cli *c, const struct newest *w);
json_t *newest_json(const struct newest *w);

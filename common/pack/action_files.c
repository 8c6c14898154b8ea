/* SPDX-License-Identifier: Apache-2.0 */
/* The action "files": old files of a folder are compressed or deleted. */
#include "pack/action_ops.h"

#include "pack/load.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)
enum { LONGEST_MS = 270000 }; /* to compress a folder */

static int load_files(struct loader *l, const struct cfg_node *n, struct task_type *t,
                      struct err *e)
{
        static const char *const known[] = { "folder", "pattern", "older_than", "do", NULL };
        static const char *const operations[] = { "compress", "delete", NULL };
        int64_t age;
        int operation;
        (void)l;
        if (cfg_only(n, known, e) < 0 || cfg_str_required(n, "folder", &t->files.folder, e) < 0 ||
            cfg_str(n, "pattern", "*", &t->files.pattern, e) < 0 ||
            cfg_duration(n, "older_than", -1, &age, e) < 0 ||
            cfg_choice(n, "do", operations, -1, &operation, e) < 0)
                return -1;
        if (!load_stays_inside(t->files.folder))
                return cfg_unexpected(cfg_get(n, "folder"), e, "a folder without \"..\"");
        if (!*t->files.pattern || strchr(t->files.pattern, '/'))
                return cfg_unexpected(cfg_get(n, "pattern"), e,
                                      "a pattern of file names such as \"*.log\"");
        if (age < 0)
                return cfg_error(n, e,
                                 "older_than is missing, expected whole days such as \"90d\"");
        if (age < DAY_MS || age % DAY_MS)
                return cfg_unexpected(cfg_get(n, "older_than"), e, "whole days such as \"90d\"");
        if (operation < 0)
                return cfg_error(n, e, "do is missing, expected \"compress\" or \"delete\"");
        t->files.older_than_days = age / DAY_MS;
        t->files.delete = operation == 1;
        return 0;
}

static int64_t files_longest_ms(const struct service *s, const struct task_type *t)
{
        (void)s;
        (void)t;
        return LONGEST_MS;
}

const struct action_ops action_files = {
        .name = "files",
        .default_lane = LANE_JOBS,
        .done = "send",
        .writes_files = true,
        .load = load_files,
        .longest_ms = files_longest_ms,
};

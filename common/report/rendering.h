/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A rendering under way: where it reads, where it writes, and whether it has failed. */
#include "report/json.h"

#include "base/buf.h"

/* Functions that add to it report no failures: `broken` is looked at between rows, and at the end.
 */
struct rendering {
        struct json_text *text;
        struct buf *out;
        int fd;      /* where `out` is written when it has grown; -1: it is kept */
        bool broken; /* `err` says why */
        struct err *err;
};

/* Between rows: writes what has gathered. False: stop. */
bool rendering_go_on(struct rendering *r);
void rendering_flush(struct rendering *r);
/* It is broken. `rc`: of err_set, so that a failure is one line; r->err is set. */
void rendering_fail(struct rendering *r, int rc);
void rendering_oom(struct rendering *r);

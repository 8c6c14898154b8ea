/* SPDX-License-Identifier: Apache-2.0 */
/* The output of a rendering: written to its file as it grows. */
#include "report/rendering.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { OUT_FULL = 256 * 1024 };

void rendering_fail(struct rendering *r, int rc)
{
        (void)rc; /* r->err is set */
        r->broken = true;
}

void rendering_oom(struct rendering *r)
{
        rendering_fail(r, err_oom(r->err));
}

void rendering_flush(struct rendering *r)
{
        for (size_t at = 0; at < r->out->len && !r->broken;) {
                ssize_t n = write(r->fd, r->out->data + at, r->out->len - at);
                if (n > 0)
                        at += (size_t)n;
                else if (n == 0 || errno != EINTR)
                        rendering_fail(r, err_set(r->err, ERR_RETRY, "",
                                                  "the report cannot be written: %s",
                                                  strerror(errno)));
        }
        buf_reset(r->out);
}

bool rendering_go_on(struct rendering *r)
{
        if (r->fd >= 0 && !r->out->failed && r->out->len > OUT_FULL)
                rendering_flush(r);
        return !r->broken && !r->out->failed;
}

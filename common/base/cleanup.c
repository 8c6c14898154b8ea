/* SPDX-License-Identifier: Apache-2.0 */
/* What the CLEANUP attribute calls. */
#include "base/cleanup.h"

#include <stdlib.h>
#include <unistd.h>

void cleanup_free(void *p)
{
        free(*(void **)p);
}

void cleanup_close(const int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

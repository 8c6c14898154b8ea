/* SPDX-License-Identifier: Apache-2.0 */
/* Files: a write that is interrupted or comes to less is continued. */
#include "base/file.h"

#include <errno.h>
#include <unistd.h>

bool file_write(int fd, const void *data, size_t len)
{
        const char *at = data;
        while (len > 0) {
                ssize_t n = write(fd, at, len);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return false;
                at += n;
                len -= (size_t)n;
        }
        return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reports the state to systemd (sd_notify's protocol). */
#include "daemon/notify.h"

#include "base/log.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void notify_systemd(const char *state)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof address.sun_path)
                return;
        memcpy(address.sun_path, path, strlen(path));
        if (*path == '@') /* the abstract namespace */
                address.sun_path[0] = '\0';
        int fd CLEANUP(cleanup_close) = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        if (fd >= 0 && sendto(fd, state, strlen(state), MSG_NOSIGNAL,
                              (const struct sockaddr *)&address, len) < 0)
                log_warn("cannot notify systemd", "state=%s", state);
}

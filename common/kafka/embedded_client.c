/* SPDX-License-Identifier: Apache-2.0 */
/* What a client needs of the embedded broker: where it is, and the topics that it is to create. */
#include "kafka/embedded_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTROL_TIMEOUT_MS = 5000 };

/* ---- the file ---- */

int embedded_read(const char *path, struct embedded_address *ret, struct err *e)
{
        FILE *f = fopen(path, "re");
        if (!f && errno == ENOENT)
                return err_set(e, ERR_RETRY, "ENOENT",
                               "embedded broker is not running: there is no file %s", path);
        if (!f)
                return err_set(e, ERR_RETRY, "", "embedded broker's file %s: %s", path,
                               strerror(errno));
        struct embedded_address a = { .control = -1 };
        char line[256];
        while (fgets(line, sizeof line, f)) {
                line[strcspn(line, "\n")] = 0;
                if (strncmp(line, "bootstrap=", 10) == 0)
                        snprintf(a.bootstrap, sizeof a.bootstrap, "%s", line + 10);
                else if (strncmp(line, "cluster=", 8) == 0)
                        snprintf(a.cluster, sizeof a.cluster, "%s", line + 8);
                else if (strncmp(line, "control=", 8) == 0)
                        a.control = (int)strtol(line + 8, NULL, 10);
        }
        fclose(f);
        if (!a.bootstrap[0] || !a.cluster[0] || a.control <= 0 || a.control > UINT16_MAX)
                return err_set(e, ERR_FATAL, "", "%s is not the file of an embedded broker", path);
        *ret = a;
        return 0;
}

/* The end of the embedded broker is final for its clients: a new one has another port, and none of
 * the messages. */
bool embedded_restarted(const char *path, const struct embedded_address *known)
{
        struct embedded_address now;
        return path && embedded_read(path, &now, NULL) == 0 &&
               strcmp(now.cluster, known->cluster) != 0;
}

/* ---- the control port ---- */

struct sockaddr_in embedded_loopback(int port)
{
        return (struct sockaddr_in){ .sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

void embedded_set_timeouts(int fd)
{
        struct timeval t = { .tv_sec = CONTROL_TIMEOUT_MS / 1000 };
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

bool embedded_read_line(int fd, char line[EMBEDDED_LINE_MAX])
{
        size_t len = 0;
        while (len < EMBEDDED_LINE_MAX - 1) {
                ssize_t n = recv(fd, line + len, EMBEDDED_LINE_MAX - 1 - len, 0);
                if (n <= 0)
                        return false;
                len += (size_t)n;
                line[len] = 0;
                char *end = strchr(line, '\n');
                if (end) {
                        *end = 0;
                        return true;
                }
        }
        return false;
}

int embedded_create_topic(const struct embedded_address *a, const char *topic, int partitions,
                          struct err *e)
{
        int fd CLEANUP(cleanup_close) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in to = embedded_loopback(a->control);
        char line[EMBEDDED_LINE_MAX];
        int len = snprintf(line, sizeof line, "%s %d\n", topic, partitions);
        if (len >= (int)sizeof line || strpbrk(topic, " \n"))
                return err_set(e, ERR_FATAL, "", "\"%s\" is not a valid name of a topic", topic);
        if (fd >= 0)
                embedded_set_timeouts(fd);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
            send(fd, line, (size_t)len, MSG_NOSIGNAL) != len || !embedded_read_line(fd, line))
                return err_set(e, ERR_RETRY, "_TRANSPORT",
                               "embedded broker is not running: no answer on port %d", a->control);
        if (strcmp(line, "created") == 0)
                return TOPIC_ADDED;
        if (strcmp(line, "exists") == 0)
                return TOPIC_EXISTED;
        return err_set(e, ERR_FATAL, "", "embedded broker: topic %s: %s", topic, line);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The mock cluster in a process of its own, its file, and its control port. */
#include "kafka/embedded.h"

#include "base/log.h"
#include "base/uuid.h"
#include "kafka/client.h"
#include "kafka/embedded_client.h"

#include <errno.h>
#include <fcntl.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <pthread.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct embedded {
        rd_kafka_t *rk; /* the mock cluster needs a handle to live in */
        rd_kafka_mock_cluster_t *cluster;
        struct embedded_address address;
        char *path;
        int default_partitions;
        int listener, stop; /* fds; an event on `stop` ends the control thread */
        pthread_t control;
        bool running;
};

/* ---- the file ---- */

static int write_file(const struct embedded *b, struct err *e)
{
        char text[512], *temp = NULL;
        int len = snprintf(text, sizeof text, "bootstrap=%s\ncontrol=%d\ncluster=%s\n",
                           b->address.bootstrap, b->address.control, b->address.cluster);
        if (asprintf(&temp, "%s.%d", b->path, (int)getpid()) < 0)
                return err_oom(e);
        char *owned CLEANUP(cleanup_free) = temp;
        int fd CLEANUP(cleanup_close) = open(owned, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd >= 0 && write(fd, text, (size_t)len) == len && rename(owned, b->path) == 0)
                return 0;
        int error = errno;
        unlink(owned);
        return err_set(e, ERR_FATAL, "", "cannot write %s: %s", b->path, strerror(error));
}

/* ---- the control port ---- */

static void serve_control(struct embedded *b, int fd)
{
        char line[EMBEDDED_LINE_MAX], answer[EMBEDDED_LINE_MAX];
        embedded_set_timeouts(fd);
        if (!embedded_read_line(fd, line))
                return;
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__INVALID_ARG;
        char *number = strchr(line, ' '); /* "TOPIC PARTITIONS" */
        long partitions = number ? strtol(number, NULL, 10) : -1;
        if (number)
                *number = '\0';
        if (line[0] && strlen(line) <= KAFKA_TOPIC_MAX && partitions >= 0 && partitions <= INT_MAX)
                code = rd_kafka_mock_topic_create(
                        b->cluster, line, partitions ? (int)partitions : b->default_partitions, 1);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
                snprintf(answer, sizeof answer, "created\n");
        else if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
                snprintf(answer, sizeof answer, "exists\n");
        else
                snprintf(answer, sizeof answer, "error %s\n", rd_kafka_err2str(code));
        if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
                log_debug("embedded broker: a client closed the connection", "topic=" LOG_Q, line);
}

static void *control_main(void *arg)
{
        struct embedded *b = arg;
        struct pollfd fds[] = { { .fd = b->listener, .events = POLLIN },
                                { .fd = b->stop, .events = POLLIN } };
        while (poll(fds, ARRAY_LEN(fds), -1) >= 0 || errno == EINTR) {
                if (fds[1].revents)
                        break;
                int fd CLEANUP(cleanup_close) =
                        fds[0].revents ? accept4(b->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
                if (fd >= 0)
                        serve_control(b, fd);
        }
        return NULL;
}

static int start_control(struct embedded *b, struct err *e)
{
        struct sockaddr_in at = embedded_loopback(0);
        socklen_t len = sizeof at;
        b->stop = eventfd(0, EFD_CLOEXEC);
        b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (b->stop < 0 || b->listener < 0 ||
            bind(b->listener, (struct sockaddr *)&at, sizeof at) < 0 ||
            listen(b->listener, 64) < 0 ||
            getsockname(b->listener, (struct sockaddr *)&at, &len) < 0)
                return err_set(e, ERR_FATAL, "", "embedded broker: control port: %s",
                               strerror(errno));
        b->address.control = ntohs(at.sin_port);
        int error = pthread_create(&b->control, NULL, control_main, b);
        if (error)
                return err_set(e, ERR_FATAL, "", "embedded broker: thread: %s", strerror(error));
        b->running = true;
        return 0;
}

/* ---- life ---- */

static int start_cluster(struct embedded *b, struct err *e)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_conf_set_log_cb(conf, client_log);
        if (client_new(RD_KAFKA_PRODUCER, conf, &b->rk, e) < 0)
                return -1;
        b->cluster = rd_kafka_mock_cluster_new(b->rk, 1);
        if (!b->cluster)
                return err_set(e, ERR_FATAL, "",
                               "embedded broker: the mock cluster does not start");
#if RD_KAFKA_VERSION >= 0x020600ff
        rd_kafka_mock_group_initial_rebalance_delay_ms(b->cluster, 300);
#endif
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(uuid_random(), id);
        snprintf(b->address.cluster, sizeof b->address.cluster, "embedded-%s", id);
        snprintf(b->address.bootstrap, sizeof b->address.bootstrap, "%s",
                 rd_kafka_mock_cluster_bootstraps(b->cluster));
        return 0;
}

int embedded_start(const char *path, int default_partitions, struct embedded **ret, struct err *e)
{
        struct embedded *b = calloc(1, sizeof *b);
        if (!b)
                return err_oom(e);
        b->listener = b->stop = -1;
        b->default_partitions = default_partitions;
        b->path = strdup(path);
        if (!b->path)
                err_oom(e);
        else if (start_cluster(b, e) == 0 && start_control(b, e) == 0 && write_file(b, e) == 0) {
                *ret = b;
                return 0;
        }
        embedded_stop(b);
        return -1;
}

void embedded_stop(struct embedded *b)
{
        if (!b)
                return;
        struct embedded_address now;
        if (b->path && embedded_read(b->path, &now, NULL) == 0 &&
            strcmp(now.cluster, b->address.cluster) == 0)
                unlink(b->path);
        if (b->running) {
                uint64_t one = 1;
                ssize_t ignored = write(b->stop, &one, sizeof one);
                (void)ignored;
                pthread_join(b->control, NULL);
        }
        cleanup_close(&b->listener);
        cleanup_close(&b->stop);
        if (b->cluster)
                rd_kafka_mock_cluster_destroy(b->cluster);
        if (b->rk)
                rd_kafka_destroy(b->rk);
        free(b->path);
        free(b);
}

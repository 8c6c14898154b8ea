#include "kafka/embedded.h"

#include "base/log.h"
#include "base/uuid.h"
#include "kafka/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTROL_TIMEOUT_MS = 5000, CONTROL_LINE_MAX = KAFKA_TOPIC_MAX + 64 };

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

int embedded_read(const char *path, struct embedded_address *ret, struct err *e)
{
        FILE *f = fopen(path, "re");
        if (!f && errno == ENOENT)
                return err_set(e, ERR_RETRY, "ENOENT", "embedded broker is not running (file %s)",
                               path);
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
                        a.control = atoi(line + 8);
        }
        fclose(f);
        if (!a.bootstrap[0] || !a.cluster[0] || a.control <= 0 || a.control > UINT16_MAX)
                return err_set(e, ERR_FATAL, "", "%s is not the file of an embedded broker", path);
        *ret = a;
        return 0;
}

static int write_file(const struct embedded *b, struct err *e)
{
        char text[512], *temp = NULL;
        int len = snprintf(text, sizeof text, "bootstrap=%s\ncontrol=%d\ncluster=%s\n",
                           b->address.bootstrap, b->address.control, b->address.cluster);
        if (asprintf(&temp, "%s.%d", b->path, (int)getpid()) < 0)
                return err_oom(e);
        CLEANUP(cleanup_free) char *owned = temp;
        CLEANUP(cleanup_close) int fd = open(owned, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd >= 0 && write(fd, text, (size_t)len) == len && rename(owned, b->path) == 0)
                return 0;
        int error = errno;
        unlink(owned);
        return err_set(e, ERR_FATAL, "", "cannot write %s: %s", b->path, strerror(error));
}

/* ---- the control port: "TOPIC PARTITIONS\n" is answered by "created", "exists" or "error CODE
 * TEXT" ---- */

static struct sockaddr_in loopback(int port)
{
        return (struct sockaddr_in){ .sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void set_timeouts(int fd)
{
        struct timeval t = { .tv_sec = CONTROL_TIMEOUT_MS / 1000 };
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

/* One line without its end; false when the peer is slow, gone, or talks too much. */
static bool read_line(int fd, char line[CONTROL_LINE_MAX])
{
        size_t len = 0;
        while (len < CONTROL_LINE_MAX - 1) {
                ssize_t n = recv(fd, line + len, CONTROL_LINE_MAX - 1 - len, 0);
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

int embedded_topic(const struct embedded_address *a, const char *topic, int partitions,
                   struct err *e)
{
        CLEANUP(cleanup_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in to = loopback(a->control);
        char line[CONTROL_LINE_MAX];
        int len = snprintf(line, sizeof line, "%s %d\n", topic, partitions);
        if (len >= (int)sizeof line || strpbrk(topic, " \n"))
                return err_set(e, ERR_FATAL, "", "\"%s\" is no name for a topic", topic);
        if (fd >= 0)
                set_timeouts(fd);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
            send(fd, line, (size_t)len, MSG_NOSIGNAL) != len || !read_line(fd, line))
                return err_set(e, ERR_RETRY, "_TRANSPORT",
                               "embedded broker does not answer (port %d): it is not running",
                               a->control);
        if (strcmp(line, "created") == 0)
                return 0;
        if (strcmp(line, "exists") == 0)
                return 1;
        return err_set(e, ERR_FATAL, "", "embedded broker: topic %s: %s", topic, line);
}

static void serve(struct embedded *b, int fd)
{
        char line[CONTROL_LINE_MAX], topic[KAFKA_TOPIC_MAX + 1] = "";
        char answer[CONTROL_LINE_MAX];
        int partitions = 0;
        set_timeouts(fd);
        if (!read_line(fd, line))
                return;
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__INVALID_ARG;
        if (sscanf(line, "%249s %d", topic, &partitions) == 2 && partitions >= 0)
                code = rd_kafka_mock_topic_create(
                        b->cluster, topic, partitions ? partitions : b->default_partitions, 1);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
                snprintf(answer, sizeof answer, "created\n");
        else if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
                snprintf(answer, sizeof answer, "exists\n");
        else
                snprintf(answer, sizeof answer, "error %s\n", rd_kafka_err2str(code));
        if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
                log_debug("embedded broker: a client went away", "topic=" LOG_Q, topic);
}

static void *control_main(void *arg)
{
        struct embedded *b = arg;
        struct pollfd fds[] = { { .fd = b->listener, .events = POLLIN },
                                { .fd = b->stop, .events = POLLIN } };
        while (poll(fds, ARRAY_LEN(fds), -1) >= 0 || errno == EINTR) {
                if (fds[1].revents)
                        break;
                CLEANUP(cleanup_close)
                int fd = fds[0].revents ? accept4(b->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
                if (fd >= 0)
                        serve(b, fd);
        }
        return NULL;
}

static int start_control(struct embedded *b, struct err *e)
{
        struct sockaddr_in at = loopback(0);
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
        b->rk = client_new(RD_KAFKA_PRODUCER, conf, e);
        if (!b->rk)
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SMTP server that accepts everything at once and keeps nothing: what is measured against it is
 * the sender. bench-sink       prints "port=N", then on SIGTERM "messages=N"
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT = 65536, EVENTS = 256 };

struct session {
        int fd;
        bool data; /* between DATA and the dot */
        size_t len;
        char input[INPUT];
};

static volatile sig_atomic_t stopping;
static long messages;

static void on_signal(int number)
{
        (void)number;
        stopping = 1;
}

static bool answer(struct session *s, const char *text)
{
        size_t len = strlen(text);
        return send(s->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool command(struct session *s, const char *line)
{
        if (s->data) {
                if (strcmp(line, ".") != 0)
                        return true;
                s->data = false;
                messages++;
                return answer(s, "250 2.0.0 ok\r\n");
        }
        if (strncasecmp(line, "DATA", 4) == 0) {
                s->data = true;
                return answer(s, "354 go on\r\n");
        }
        if (strncasecmp(line, "QUIT", 4) == 0) {
                answer(s, "221 2.0.0 bye\r\n");
                return false;
        }
        return answer(s, "250 2.0.0 ok\r\n");
}

/* False: the session is over. */
static bool serve(struct session *s)
{
        ssize_t n = recv(s->fd, s->input + s->len, INPUT - s->len, 0);
        if (n <= 0)
                return false;
        s->len += (size_t)n;
        char *p = s->input;
        for (char *end; (end = memmem(p, s->len - (size_t)(p - s->input), "\r\n", 2));
             p = end + 2) {
                *end = '\0';
                if (!command(s, p))
                        return false;
        }
        s->len -= (size_t)(p - s->input);
        memmove(s->input, p, s->len);
        return s->len < INPUT;
}

static int listen_on_loopback(void)
{
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in at = { .sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof at;
        if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 256) < 0 ||
            getsockname(fd, (struct sockaddr *)&at, &len) < 0)
                exit(1);
        printf("port=%d\n", ntohs(at.sin_port));
        fflush(stdout);
        return fd;
}

static void greet(int epoll, int listener)
{
        int fd = accept(listener, NULL, NULL), one = 1;
        struct session *s = fd < 0 ? NULL : calloc(1, sizeof *s);
        if (!s)
                return;
        s->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
        answer(s, "220 sink ESMTP\r\n");
}

int main(void)
{
        struct sigaction a = { .sa_handler = on_signal };
        sigaction(SIGTERM, &a, NULL);
        int listener = listen_on_loopback(), epoll = epoll_create1(0);
        struct epoll_event first = { .events = EPOLLIN, .data.ptr = NULL }, list[EVENTS];
        epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &first);
        while (!stopping) {
                int n = epoll_wait(epoll, list, EVENTS, 1000);
                for (int i = 0; i < n; i++) {
                        struct session *s = list[i].data.ptr;
                        if (!s) {
                                greet(epoll, listener);
                        } else if (!serve(s)) {
                                close(s->fd);
                                free(s);
                        }
                }
        }
        printf("messages=%ld\n", messages);
        return 0;
}

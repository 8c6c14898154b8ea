/* SPDX-License-Identifier: Apache-2.0 */
/* rollcall-broker: the embedded broker as a process of its own. All messages are lost when it ends.
 */
#include "base/log.h"
#include "kafka/embedded.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { PARTITIONS_DEFAULT = 4, PARTITIONS_MAX = 1000 };

struct arguments {
        const char *file;
        int partitions;
        bool with_parent, debug;
};

static void usage(FILE *to)
{
        fputs("usage: rollcall-broker --file PATH [--partitions N] [--with-parent] [--debug]\n\n"
              "Runs an in-memory Kafka broker on a free loopback port until SIGTERM or SIGINT,\n"
              "and writes its address to PATH. All messages are lost when it ends.\n"
              "  --file PATH      the file that its clients read: kafka.embedded\n"
              "  --partitions N   of topics that are created without a number (default 4)\n"
              "  --with-parent    end when the process that started it ends\n"
              "  --debug          log details\n"
              "  --help, --version\n",
              to);
}

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
        static const struct option options[] = {
                { "file", required_argument, NULL, 'f' },
                { "partitions", required_argument, NULL, 'p' },
                { "with-parent", no_argument, NULL, 'w' },
                { "debug", no_argument, NULL, 'd' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { 0 },
        };
        int c;
        while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
                switch (c) {
                case 'f':
                        a->file = optarg;
                        break;
                case 'p':
                        a->partitions = (int)strtol(optarg, NULL, 10);
                        break;
                case 'w':
                        a->with_parent = true;
                        break;
                case 'd':
                        a->debug = true;
                        break;
                case 'h':
                        usage(stdout);
                        exit(0);
                case 'v':
                        puts("rollcall-broker " ROLLCALL_VERSION);
                        exit(0);
                default:
                        return -1;
                }
        return a->file && optind == argc && a->partitions > 0 && a->partitions <= PARTITIONS_MAX
                       ? 0
                       : -1;
}

int main(int argc, char **argv)
{
        struct arguments a = { .partitions = PARTITIONS_DEFAULT };
        pid_t parent = getppid();
        if (parse_arguments(argc, argv, &a) < 0) {
                usage(stderr);
                return 2;
        }
        log_init("rollcall-broker", a.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
        if (a.with_parent && (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent))
                return 1;
        sigset_t stop;
        sigemptyset(&stop);
        sigaddset(&stop, SIGTERM);
        sigaddset(&stop, SIGINT);
        /* before any thread starts: all threads inherit the mask, and only sigwait gets the signals
         */
        pthread_sigmask(SIG_BLOCK, &stop, NULL);

        struct embedded *broker = NULL;
        struct err e = ERR_INIT;
        if (embedded_start(a.file, a.partitions, &broker, &e) < 0) {
                log_error("broker failed to start", "error=" LOG_Q, e.text);
                return 1;
        }
        log_info("broker started", "file=" LOG_Q " partitions=%d", a.file, a.partitions);
        int signal_number = 0;
        while (sigwait(&stop, &signal_number) == EINTR)
                ;
        embedded_stop(broker);
        log_info("broker stopped", "signal=%d", signal_number);
        return 0;
}

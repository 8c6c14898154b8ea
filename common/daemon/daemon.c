/* SPDX-License-Identifier: Apache-2.0 */
/* Command line, configuration and start of the three daemons. */
#include "daemon/daemon.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "daemon/help.h"
#include "daemon/notify.h"
#include "pack/pack_load.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_CONFIGURATION = 3, CONTINUE = -1 };

static int parse_options(struct daemon *d, const char *help, int argc, char **argv,
                         bool *check_only)
{
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "check-config", no_argument, NULL, 'k' },
                { "check-statements", no_argument, NULL, 's' },
                { "help", no_argument, NULL, 'h' },
                { "man", no_argument, NULL, 'm' },
                { "version", no_argument, NULL, 'V' },
                { NULL, 0, NULL, 0 },
        };
        const char *config = NULL;
        int option;
        optind = 0;
        while ((option = getopt_long(argc, argv, "+c:hV", options, NULL)) != -1)
                switch (option) {
                case 'c':
                        config = optarg;
                        break;
                case 'k':
                        *check_only = true;
                        break;
                case 's':
                        d->check_statements = true;
                        break;
                case 'h':
                        daemon_print_help(d->program, help);
                        return EXIT_SUCCESS;
                case 'm':
                        daemon_print_man(d->program, help);
                        return EXIT_SUCCESS;
                case 'V':
                        printf("%s %s" FAILPOINTS_NOTE "\n", d->program, ROLLCALL_VERSION);
                        return EXIT_SUCCESS;
                default:
                        fprintf(stderr, "Try \"%s --help\".\n", d->program);
                        return EXIT_USAGE;
                }
        if (optind < argc) {
                fprintf(stderr, "%s: unexpected argument \"%s\"\nTry \"%s --help\".\n", d->program,
                        argv[optind], d->program);
                return EXIT_USAGE;
        }
        d->config_given = config;
        return CONTINUE;
}

int daemon_start(struct daemon *d, const char *program, const char *help, int argc, char **argv)
{
        struct err e = ERR_INIT;
        enum log_level level = LOG_LEVEL_INFO;
        bool check_only = false;
        *d = (struct daemon){ .program = program, .argv = argv };
        /* Messages have headers, small blocks that come and go by the million: glibc's fast bins
         * would merge them again and again. */
        mallopt(M_MXFAST, 0);
        int rc = parse_options(d, help, argc, argv, &check_only);
        if (rc != CONTINUE)
                return rc;
        if (failpoints_load(getenv(FAILPOINTS_VARIABLE), &e) < 0 ||
            (!check_only && !d->check_statements && signals_install(&e) < 0) ||
            service_open(d->config_given, &d->service, &e) < 0 ||
            packs_load(d->service, &d->packs, &e) < 0) {
                fprintf(stderr, "%s\n", e.text);
                daemon_deinit(d);
                return EXIT_CONFIGURATION;
        }
        if (check_only) {
                printf("%s: valid\n", d->service->file);
                daemon_deinit(d);
                return EXIT_SUCCESS;
        }
        if (d->check_statements)
                return CONTINUE;
        if (log_level_parse(d->service->log_level, &level))
                log_init(program, level);
        if (*FAILPOINTS_NOTE)
                log_warn("built" FAILPOINTS_NOTE, "version=%s", ROLLCALL_VERSION);
        return CONTINUE;
}

void daemon_deinit(struct daemon *d)
{
        packs_free(d->packs);
        d->packs = NULL;
        service_free(d->service);
        d->service = NULL;
}

void daemon_ready(const struct daemon *d)
{
        notify_systemd("READY=1");
        log_info("ready", "version=%s config=" LOG_Q " packs=%zu", ROLLCALL_VERSION,
                 d->service->file, d->packs ? d->packs->n : 0);
}

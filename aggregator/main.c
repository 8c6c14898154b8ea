/* SPDX-License-Identifier: Apache-2.0 */
/* rollcall-aggregator: audit events of the results topic in, totals in PostgreSQL out. */
#include "aggregator/loop.h"

#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/deadline.h"
#include "daemon/reload.h"

#include <stdlib.h>

enum { WAIT_MS = 500, LEAVE_MS = 20000 };

static const char help[] =
        "Aggregates the audit events of the results topic into totals. Reads PREFIX.results as\n"
        "the consumer group PREFIX.aggregator and keeps in the database: totals by run\n"
        "(rollcall.run_total), totals by day, task type, outcome and reason\n"
        "(rollcall.day_total), and the newest errors (rollcall.recent_error). Its position moves\n"
        "in the transaction that holds the totals, so each event counts exactly once, also after\n"
        "a crash. Start more of them to share the partitions of the topic. See\n"
        "docs/aggregator.md.";

static int run_loop(struct daemon *d, struct aggregator *a, struct err *e)
{
        bool ready = false;
        while (!daemon_stopping()) {
                daemon_serve(d);
                int rc = loop_step(a, e);
                if (rc < 0)
                        return -1;
                if (rc == LOOP_WAIT)
                        daemon_sleep(WAIT_MS);
                if (!ready && loop_is_ready(a)) {
                        daemon_ready(d);
                        ready = true;
                }
        }
        return daemon_stop_now() ? 0 : loop_drain(a, e);
}

static int run_aggregator(struct daemon *d)
{
        struct aggregator *a CLEANUP(aggregator_cleanup) = NULL;
        struct err e = ERR_INIT;
        if (daemon_leave_within(d, LEAVE_MS, &e) < 0 || aggregator_new(d->service, &a, &e) < 0 ||
            run_loop(d, a, &e) < 0) {
                log_error("aggregator failed", "class=%s code=%s error=" LOG_Q,
                          err_class_name(e.class), e.code, e.text);
                return EXIT_FAILURE;
        }
        log_info("aggregator stopped",
                 "aggregated=%lld duplicates=%lld undecodable=%lld forged=%lld",
                 (long long)a->counted, (long long)a->duplicates, (long long)a->undecodable,
                 (long long)a->forged);
        return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        struct daemon d = { 0 };
        int rc = daemon_start(&d, "rollcall-aggregator", help, argc, argv);
        if (rc >= 0)
                return rc;
        rc = run_aggregator(&d);
        if (rc == EXIT_SUCCESS)
                daemon_finish(&d);
        daemon_deinit(&d);
        return rc;
}

#include "aggregator/aggregator.h"

#include "base/log.h"
#include "daemon/daemon.h"

#include <stdlib.h>

enum { WAIT_MS = 500, LEAVE_MS = 20000 };

static const char help[] =
        "Folds the audit events of the results topic into totals. Reads PREFIX.results as the group PREFIX.aggregator and\n"
        "keeps in the database: totals per run (rollcall.run_total), totals per day, task type, outcome and reason\n"
        "(rollcall.day_total), and the newest errors (rollcall.recent_error). Its position moves in the same transaction,\n"
        "so an event counts once whatever crashes. Start more of them to share the topic's partitions.\n"
        "See docs/aggregator.md.";

static int serve(struct daemon *d, struct aggregator *a, struct err *e)
{
        bool ready = false;
        while (!daemon_stopping()) {
                daemon_serve(d);
                int rc = aggregator_step(a, e);
                if (rc < 0)
                        return -1;
                if (rc)
                        daemon_sleep(WAIT_MS);
                if (!ready && a->consumer && !a->database_away) {
                        daemon_ready(d);
                        ready = true;
                }
        }
        return daemon_stop_now() ? 0 : aggregator_drain(a, e);
}

static int run(struct daemon *d)
{
        struct aggregator *a CLEANUP(aggregator_cleanup) = NULL;
        struct err e = ERR_INIT;
        if (daemon_leave_within(d, LEAVE_MS, &e) < 0 || aggregator_new(d->service, &a, &e) < 0 ||
            serve(d, a, &e) < 0) {
                log_error("aggregator cannot go on", "class=%s code=%s error=" LOG_Q,
                          err_class_name(e.class), e.code, e.text);
                return EXIT_FAILURE;
        }
        log_info("aggregator stopped", "folded=%lld repeated=%lld undecodable=%lld forged=%lld",
                 (long long)a->counted, (long long)a->repeated, (long long)a->undecodable,
                 (long long)a->forged);
        return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        struct daemon d = { 0 };
        int rc = daemon_start(&d, "rollcall-aggregator", help, argc, argv);
        if (rc >= 0)
                return rc;
        rc = run(&d);
        if (rc == EXIT_SUCCESS)
                daemon_finish(&d);
        daemon_deinit(&d);
        return rc;
}

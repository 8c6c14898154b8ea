/* SPDX-License-Identifier: Apache-2.0 */
/* The program rollcall-scheduler. */
#include "scheduler.h"

#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/deadline.h"
#include "daemon/reload.h"

enum { LEAVE_MS = 20000 };

static const char help[] =
        "Starts the packs' jobs when they are due, or when an operator requests a run (rollcall\n"
        "jobs run): writes the plan of who is due into PostgreSQL, publishes one task per subject\n"
        "to Kafka, and closes the run when every task has its outcome. Several may run; one leads.";

int main(int argc, char **argv)
{
        struct daemon d;
        struct err e = ERR_INIT;
        int rc = daemon_start(&d, "rollcall-scheduler", help, argc, argv);
        if (rc >= 0)
                return rc;
        rc = daemon_leave_within(&d, LEAVE_MS, &e) < 0 || scheduler_run(&d, &e) < 0 ? 1 : 0;
        if (rc)
                log_error("cannot start", "error=" LOG_Q, e.text);
        else
                daemon_finish(&d);
        daemon_deinit(&d);
        return rc;
}

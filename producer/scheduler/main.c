#include "run.h"

#include "base/log.h"
#include "daemon/daemon.h"

static const char help[] =
        "Usage: rollcall-scheduler [-c FILE]\n"
        "\n"
        "Starts the packs' jobs when they are due, or when an operator asks (rollcall jobs run): writes the plan of who is due into PostgreSQL,\n"
        "publishes one task per subject to Kafka, and closes the run when every task has its outcome. Several may run; one leads.\n"
        "\n"
        "  -c, --config FILE   configuration (default: $ROLLCALL_CONFIG, ./rollcall.cfg, /etc/rollcall/rollcall.cfg)\n"
        "      --check-config  read configuration and packs, say what is wrong, and leave\n"
        "      --help, --version\n"
        "\n"
        "Signals: TERM or INT finishes what is in hand, gives up the lead and leaves, a second one leaves at once; HUP reads the configuration anew.\n"
        "Exit status: 0 left in order; 1 could not start; 2 usage; 3 configuration.\n";

int main(int argc, char **argv)
{
        struct daemon d;
        struct err e = ERR_INIT;
        int rc = daemon_start(&d, "rollcall-scheduler", help, argc, argv);
        if (rc >= 0)
                return rc;
        rc = scheduler_run(&d, &e) < 0 ? 1 : 0;
        if (rc)
                log_error("cannot start", "error=" LOG_Q, e.text);
        else
                daemon_finish(&d);
        daemon_deinit(&d);
        return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The end of a run: in the table, and in the log. */
#include "context.h"

struct run_name { /* for the log */
        int64_t run_no;
        struct uuid run_id;
        const char *pack, *job;
};

/* The beginning of every log line about a run, and its values: the number is the database's, the id
 * is what people and the tool use. `id_` is its text. */
#define RUN_Q "run_no=%lld run_id=%s job=%s.%s"
#define RUN_VALUES(run_no_, id_, pack_, job_) (long long)(run_no_), (id_), (pack_), (job_)

struct run_totals { /* for the log */
        bool dry_run;
        int64_t planned, applied, skipped, failed, quarantined, unknown, follow_ups;
        const char *seconds; /* since it was planned */
};

struct run_end {
        enum run_state state;
        const char *reason;
        bool alert;                      /* on_failure is for it */
        const struct run_totals *totals; /* NULL: it has none */
};

struct run_name run_name_of(const struct run *r);
/* Closes a run that is open, and logs it. */
int run_close(struct context *c, const struct run_name *n, const struct run_end *end, struct err *e)
        MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
/* The action "report": a report of the pack becomes a file. */
#include "pack/action_ops.h"

#include "pack/load.h"

#include <string.h>

#define REPORT_FORMAT_NAME(number, name, render) name,
static const char *const formats[] = { REPORT_FORMATS(REPORT_FORMAT_NAME) NULL };
#undef REPORT_FORMAT_NAME

static int load_report_file(struct loader *l, const struct cfg_node *n, struct task_type *t,
                            struct err *e)
{
        static const char *const known[] = { "report", "format", "file", NULL };
        int format;
        (void)l;
        if (cfg_only(n, known, e) < 0 || cfg_str_required(n, "report", &t->report.report, e) < 0 ||
            cfg_choice(n, "format", formats, REPORT_TABLE, &format, e) < 0 ||
            cfg_str_required(n, "file", &t->report.file, e) < 0)
                return -1;
        t->report.format = (enum report_format)format;
        const char *file = t->report.file;
        if (*file == '/' || file[strlen(file) - 1] == '/' || !load_stays_inside(file))
                return cfg_unexpected(
                        cfg_get(n, "file"), e,
                        "a file within the folder of reports, such as \"lifecycle_%Y%m%d.csv\"");
        return 0;
}

static int check_report(struct loader *l, const struct cfg_node *n, const struct task_type *t,
                        struct err *e)
{
        for (const char *const *name = l->report_names; *name; name++)
                if (strcmp(*name, t->report.report) == 0)
                        return 0;
        return load_unknown(cfg_get(n, "report.report"), "report", t->report.report,
                            l->report_names, e);
}

const struct action_ops action_report = {
        .name = "report",
        .default_lane = LANE_JOBS,
        .done = "send",
        .writes_files = true,
        .load = load_report_file,
        .check = check_report,
};

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Every command of the tool, each in the file that is called like it or its group. */
#include "args.h"

int verb_completion(struct cli *c, const struct args *a);
int verb_help(struct cli *c, const struct args *a);
int verb_version(struct cli *c, const struct args *a);

int verb_check(struct cli *c, const struct args *a);
int verb_db_apply(struct cli *c, const struct args *a);
int verb_topics_apply(struct cli *c, const struct args *a);
int verb_topics_list(struct cli *c, const struct args *a);
int verb_topics_repair(struct cli *c, const struct args *a);
int verb_jobs_list(struct cli *c, const struct args *a);
int verb_jobs_run(struct cli *c, const struct args *a);
int verb_jobs_suspend(struct cli *c, const struct args *a);
int verb_jobs_resume(struct cli *c, const struct args *a);
int verb_runs_list(struct cli *c, const struct args *a);
int verb_runs_show(struct cli *c, const struct args *a);
int verb_runs_watch(struct cli *c, const struct args *a);
int verb_runs_cancel(struct cli *c, const struct args *a);
int verb_runs_release(struct cli *c, const struct args *a);
int verb_runs_republish(struct cli *c, const struct args *a);
int verb_tasks_submit(struct cli *c, const struct args *a);
int verb_requests_list(struct cli *c, const struct args *a);
int verb_results_tail(struct cli *c, const struct args *a);
int verb_results_totals(struct cli *c, const struct args *a);
int verb_dead_letters_list(struct cli *c, const struct args *a);
int verb_quarantine_list(struct cli *c, const struct args *a);
int verb_quarantine_show(struct cli *c, const struct args *a);
int verb_quarantine_replay(struct cli *c, const struct args *a);
int verb_quarantine_drop(struct cli *c, const struct args *a);
int verb_types_list(struct cli *c, const struct args *a);
int verb_types_resume(struct cli *c, const struct args *a);
int verb_report(struct cli *c, const struct args *a);
int report_declare(struct cli *c, const char *operand, struct flag **ret);
int verb_workers(struct cli *c, const struct args *a);
int verb_status(struct cli *c, const struct args *a);
int verb_config_print(struct cli *c, const struct args *a);
int verb_config_reference(struct cli *c, const struct args *a);
int pack_commands_list(struct cli *c, const struct args *a);

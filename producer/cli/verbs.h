#pragma once
/* Every command of the tool itself; a pack's own commands come from its configuration. */
#include "args.h"

#include <stdio.h>

extern const struct verb verbs[]; /* ends in a NULL name; commands of one group stand together */

/* The command that the words name: sets `ret_words` to how many belong to it (1 or 2). NULL: none.
 * `*ret_group` is true when the first word begins commands of two words ("jobs"). */
const struct verb *verb_find(const char *first, const char *second, int *ret_words,
                             bool *ret_group);

void help_all(FILE *to);
void help_group(const char *group, FILE *to);
void help_verb(const struct verb *v, const struct flag *more, FILE *to);

int verb_completion(struct cli *c, const struct args *a);
int verb_version(struct cli *c, const struct args *a);

/* Commands of packs. */
struct command;
int pack_command_find(struct cli *c, const char *first, const char *second,
                      const struct command **ret, int *ret_words);
int pack_command_run(struct cli *c, const struct command *command, int argc, char **argv);
int pack_commands_list(struct cli *c, const struct args *a);

/* One per command. */
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

/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a task: its form, its run, its type and its arguments. */
#include "admit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_NAME_MAX = 128, ARGUMENTS_MAX = 128 * 1024, VERSION_LOOK_MS = 5000 };

static struct span copied(struct arena *a, const char *text)
{
        struct span s = arena_span(a, span_of(text));
        return s.ptr ? s : SPAN_LIT("refused");
}

static bool is_type_name(struct span s)
{
        if (s.len == 0 || s.len > TYPE_NAME_MAX)
                return false;
        for (size_t i = 0; i < s.len; i++)
                if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", s.ptr[i]))
                        return false;
        return true;
}

/* A run's step may be a dry run although the run is not: the job decides, never the message alone.
 */
static bool step_is_dry(const struct run *run, const struct task_type *type)
{
        bool listed = false;
        for (size_t i = 0; run->job && i < run->job->n_tasks; i++)
                if (run->job->tasks[i].type == type) {
                        if (!run->job->tasks[i].dry_run)
                                return false;
                        listed = true;
                }
        return listed;
}

static bool is_valid(struct entry *en, struct arena *a)
{
        struct err e = ERR_INIT;
        if (task_validate(en->type, &en->task, &en->subject_int, &e) == 0)
                return true;
        entry_decide(en, OUTCOME_FAILED, copied(a, e.text));
        en->unknown = strcmp(e.code, TASK_UNKNOWN) == 0;
        return false;
}

void admit_parked(struct entry *en, int64_t waited_ms, int64_t wait_ms, struct arena *a)
{
        en->unknown = !en->type;
        if (!en->type)
                entry_decide(en, OUTCOME_FAILED, SPAN_LIT("unknown task type"));
        en->state = ENTRY_PENDING;
        if (en->type && is_valid(en, a))
                return;
        en->state = ENTRY_PENDING;
        if (en->unknown && waited_ms < wait_ms)
                entry_park(en, PARKED_UNKNOWN, en->reason, wait_ms - waited_ms);
        else
                en->state = ENTRY_ACTED;
}

/* As far as the run was read a moment ago, and this configuration knows its job. */
static bool is_expected(const struct run *run, const struct task_type *type)
{
        bool open = run->state == RUN_PLANNED || run->state == RUN_PUBLISHED ||
                    run->state == RUN_CANCELLED;
        return open && type && ((run->job && job_takes(run->job, type)) || run_has_type(run, type));
}

void admit_entry(struct entry *en, const struct packs *packs, const struct type_numbers *numbers,
                 struct run *run, struct arena *a)
{
        struct err e = ERR_INIT;
        en->run = run;
        en->attempt = 1;
        en->dry_run = en->task.dry_run;
        if (task_validate_form(&en->task, &e) < 0) {
                entry_dead_letter(en, copied(a, e.text));
                return;
        }
        if (!is_type_name(en->task.type)) {
                entry_dead_letter(en, SPAN_LIT("the task type is not a name of letters, digits, "
                                               "'-', '_' and '.'"));
                return;
        }
        if (run && !uuid_eq(en->task.task_id, task_id_of(run->run_id, en->task.type,
                                                         en->task.subject, en->task.item))) {
                entry_dead_letter(
                        en, SPAN_LIT("the task id is not that of its run, type, subject and item"));
                return;
        }
        if (run && en->task.n_arguments) {
                entry_dead_letter(en, SPAN_LIT("a run's task has no arguments"));
                return;
        }
        if (!run && uuid_is_nil(en->task.task_id)) {
                entry_dead_letter(en, SPAN_LIT("an ad-hoc task needs an id of its own"));
                return;
        }
        en->type = packs_type(packs, en->task.type);
        if (run && !is_expected(run, en->type))
                en->state = ENTRY_UNEXPECTED;
        else
                admit_expected(en, numbers, a);
}

void admit_expected(struct entry *en, const struct type_numbers *numbers, struct arena *a)
{
        const struct run *run = en->run;
        if (!en->type) {
                entry_decide(en, OUTCOME_FAILED, SPAN_LIT("unknown task type"));
                en->dry_run = en->dry_run || (run && run->dry_run);
                en->unknown = true;
                return;
        }
        en->type_no = type_number(numbers, en->type);
        if (run)
                en->dry_run = en->dry_run || run->dry_run || step_is_dry(run, en->type);
        if (run && run->state == RUN_CANCELLED)
                entry_decide(en, OUTCOME_SKIPPED, SPAN_LIT("run cancelled"));
        else if (is_valid(en, a))
                en->state = ENTRY_READY;
        if (run && run->version_wait_ms > 0 && en->state == ENTRY_READY && !en->dry_run &&
            !run_statement_same(run, en->type))
                entry_park(en, PARKED_RETRY,
                           SPAN_LIT("its run was planned with another version of its statement"),
                           run->version_wait_ms < VERSION_LOOK_MS ? run->version_wait_ms
                                                                  : VERSION_LOOK_MS);
}

#include "batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_NAME_MAX = 128, ARGUMENTS_MAX = 128 * 1024, VERSION_LOOK_MS = 5000 };

void entry_decide(struct entry *en, enum outcome outcome, struct span reason)
{
        en->state = ENTRY_DECIDED;
        en->outcome = outcome;
        en->reason = reason;
}

void entry_bury(struct entry *en, struct span reason)
{
        en->state = ENTRY_DEAD;
        en->reason = reason;
}

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

static bool has_nul(struct span s)
{
        return s.len && memchr(s.ptr, '\0', s.len);
}

/* The ledger keeps them as JSON, where a byte may take six. */
static bool arguments_too_large(const struct task *t)
{
        size_t bytes = 0;
        for (size_t i = 0; i < t->n_arguments; i++)
                bytes += t->arguments[i].name.len + t->arguments[i].value.len;
        return bytes > ARGUMENTS_MAX;
}

/* A run's step may be a dry run although the run is not: the job says so, never the message alone. */
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

static const struct argument *find_argument(const struct task *t, const char *name)
{
        for (size_t i = 0; i < t->n_arguments; i++)
                if (span_is(t->arguments[i].name, name))
                        return &t->arguments[i];
        return NULL;
}

static bool arguments_fit(struct entry *en, struct arena *a)
{
        struct err e = ERR_INIT;
        for (size_t i = 0; i < en->type->n_arguments; i++) {
                const struct declared *d = &en->type->arguments[i];
                const struct argument *given = find_argument(&en->task, d->name);
                if (given && declared_check(d, given->value, &e) == 0)
                        continue;
                if (!given && !d->required)
                        continue;
                if (!given)
                        err_set(&e, ERR_POISON, "", "argument %s is missing", d->name);
                entry_decide(en, OUTCOME_FAILED, copied(a, e.text));
                return false;
        }
        for (size_t i = 0; i < en->task.n_arguments; i++) {
                bool known = false;
                for (size_t j = 0; j < en->type->n_arguments; j++)
                        known |= span_is(en->task.arguments[i].name, en->type->arguments[j].name);
                if (known)
                        continue;
                err_set(&e, ERR_POISON, "", "%s has no argument \"%.*s\"", en->type->full_name, SPAN_FMT(en->task.arguments[i].name));
                entry_decide(en, OUTCOME_FAILED, copied(a, e.text));
                return false;
        }
        return true;
}

/* The ledger keeps subjects as PostgreSQL writes them: "07" would be done as 7, under another id. */
static bool is_canonical(const struct entry *en)
{
        char text[UUID_TEXT_LEN + 1];
        struct uuid id;
        struct span s = en->task.subject;
        if (en->type->subject_type == VALUE_INTEGER)
                snprintf(text, sizeof text, "%lld", (long long)en->subject_int);
        else if (en->type->subject_type == VALUE_UUID && uuid_from_text(s.ptr, s.len, &id))
                uuid_to_text(id, text);
        else
                return true;
        return span_is(s, text);
}

static bool subject_fits(struct entry *en)
{
        struct span s = en->task.subject;
        if (!value_valid(en->type->subject_type, s)) {
                entry_decide(en, OUTCOME_FAILED,
                             en->type->subject_type == VALUE_INTEGER ? SPAN_LIT("the subject is not a whole number") : SPAN_LIT("the subject is not a UUID"));
                return false;
        }
        if (en->type->subject_type == VALUE_INTEGER) {
                char text[32];
                size_t len = s.len < sizeof text - 1 ? s.len : sizeof text - 1;
                memcpy(text, s.ptr, len);
                text[len] = '\0';
                en->subject_int = strtoll(text, NULL, 10);
        }
        if (!is_canonical(en)) {
                entry_decide(en, OUTCOME_FAILED, SPAN_LIT("the subject is not written as PostgreSQL writes it"));
                return false;
        }
        return true;
}

/* As far as the run was read a moment ago, and this configuration knows its job. */
static bool is_expected(const struct run *run, const struct task_type *type)
{
        bool open = run->state == RUN_PLANNED || run->state == RUN_PUBLISHED || run->state == RUN_CANCELLED;
        return open && type && ((run->job && job_takes(run->job, type)) || run_has_type(run, type));
}

void entry_admit(struct entry *en, const struct packs *packs, const struct type_numbers *numbers, struct run *run, struct arena *a)
{
        en->run = run;
        en->attempt = 1;
        en->dry_run = en->task.dry_run;
        if (en->task.subject.len == 0) {
                entry_bury(en, SPAN_LIT("the task has no subject"));
                return;
        }
        if (en->task.subject.len > LEDGER_NAME_MAX || en->task.item.len > LEDGER_NAME_MAX) {
                entry_bury(en, SPAN_LIT("subject or item is longer than 1000 bytes"));
                return;
        }
        if (has_nul(en->task.subject) || has_nul(en->task.item) || has_nul(en->task.actor)) {
                entry_bury(en, SPAN_LIT("subject, item or actor contains a NUL character"));
                return;
        }
        if (arguments_too_large(&en->task)) {
                entry_bury(en, SPAN_LIT("the arguments are larger than 128 KiB"));
                return;
        }
        if (!is_type_name(en->task.type)) {
                entry_bury(en, SPAN_LIT("the task type is not a name of letters, digits, '-', '_' and '.'"));
                return;
        }
        if (run && !uuid_eq(en->task.task_id, task_id_of(run->run_id, en->task.type, en->task.subject, en->task.item))) {
                entry_bury(en, SPAN_LIT("the task id is not that of its run, type, subject and item"));
                return;
        }
        if (run && en->task.n_arguments) {
                entry_bury(en, SPAN_LIT("a run's task has no arguments"));
                return;
        }
        if (!run && uuid_is_nil(en->task.task_id)) {
                entry_bury(en, SPAN_LIT("an ad-hoc task needs an id of its own"));
                return;
        }
        en->type = packs_type(packs, en->task.type);
        if (run && !is_expected(run, en->type))
                en->state = ENTRY_UNEXPECTED;
        else
                entry_accept(en, numbers, a);
}

void entry_accept(struct entry *en, const struct type_numbers *numbers, struct arena *a)
{
        const struct run *run = en->run;
        if (!en->type) {
                entry_decide(en, OUTCOME_FAILED, SPAN_LIT("unknown task type"));
                return;
        }
        en->type_no = type_number(numbers, en->type);
        if (run)
                en->dry_run = en->dry_run || run->dry_run || step_is_dry(run, en->type);
        if (run && run->state == RUN_CANCELLED)
                entry_decide(en, OUTCOME_SKIPPED, SPAN_LIT("run cancelled"));
        else if (subject_fits(en) && arguments_fit(en, a))
                en->state = ENTRY_READY;
        if (run && run->version_wait_ms > 0 && en->state == ENTRY_READY && !en->dry_run && !run_statement_same(run, en->type))
                entry_wait(en, SPAN_LIT("its run was planned with another version of its statement"),
                           run->version_wait_ms < VERSION_LOOK_MS ? run->version_wait_ms : VERSION_LOOK_MS);
}

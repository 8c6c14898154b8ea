#include "tasks.h"

#include "codec/codec.h"
#include "publish/publish.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POLL_MS = 50, FLUSH_TIMEOUT_MS = 30000, PUSH_TIMEOUT_MS = 120000, WAIT_MS = 50, WAIT_MAX_MS = 500 };

static bool is_utf8(const char *text)
{
        json_t *v = json_string(text);
        json_decref(v);
        return v != NULL;
}

int draft_check(const struct draft *d, struct err *e)
{
        const struct task_type *t = d->type;
        if (!*d->subject)
                return err_set(e, ERR_POISON, "", "the subject is empty");
        if (!is_utf8(d->subject) || !is_utf8(d->item))
                return err_set(e, ERR_POISON, "", "subject or item is not UTF-8");
        if (strlen(d->subject) > CODEC_TEXT_MAX || strlen(d->item) > CODEC_TEXT_MAX)
                return err_set(e, ERR_POISON, "", "subject or item is longer than %d bytes", CODEC_TEXT_MAX);
        if (!value_valid(t->subject_type, span_of(d->subject)))
                return err_set(e, ERR_POISON, "", "the subject \"%.100s\" is no %s, which %s takes", d->subject, value_sql_type(t->subject_type), t->full_name);
        for (size_t i = 0; i < t->n_arguments; i++) {
                const struct declared *a = &t->arguments[i];
                if (!d->values[i] && a->required)
                        return err_set(e, ERR_POISON, "", "argument %s is missing", a->name);
                if (d->values[i] && !is_utf8(d->values[i]))
                        return err_set(e, ERR_POISON, "", "argument %s is not UTF-8", a->name);
                if (d->values[i] && declared_check(a, span_of(d->values[i]), e) < 0)
                        return -1;
        }
        return 0;
}

static int push(struct cli *c, const struct task *t, enum lane lane)
{
        int64_t until = monotonic_ms() + PUSH_TIMEOUT_MS;
        for (;;) {
                struct err e = ERR_INIT;
                int rc = publish_task(c->publisher, t, lane, 0, &e);
                if (rc == 0)
                        return 0;
                if (c->undelivered)
                        return publish_finish(c);
                if (rc < 0 || publisher_poll(c->publisher, POLL_MS, &e) < 0)
                        return cli_fail(e.class == ERR_RETRY ? CODE_UNREACHABLE : CODE_FAILED, &e);
                if (monotonic_ms() >= until)
                        return cli_error(CODE_UNREACHABLE, "the lane %s takes no more tasks: %d s without progress (is a worker serving it?)", lane_name(lane),
                                         PUSH_TIMEOUT_MS / 1000);
        }
}

int draft_publish(struct cli *c, const struct draft *d)
{
        struct argument *list CLEANUP(cleanup_free) = calloc(d->type->n_arguments + 1, sizeof *list);
        size_t n = 0;
        if (!list)
                return cli_oom();
        for (size_t i = 0; i < d->type->n_arguments; i++)
                if (d->values[i])
                        list[n++] = (struct argument){ span_of(d->type->arguments[i].name), span_of(d->values[i]) };
        struct task t = {
                .task_id = d->id,
                .type = span_of(d->type->full_name),
                .subject = span_of(d->subject),
                .item = span_of(d->item),
                .scheduled_at = instant_now(),
                .dry_run = d->dry_run,
                .actor = span_of(c->actor),
                .arguments = list,
                .n_arguments = n,
        };
        return push(c, &t, d->type->lane);
}

int publish_finish(struct cli *c)
{
        struct err e = ERR_INIT;
        int rc = publisher_flush(c->publisher, FLUSH_TIMEOUT_MS, &e);
        if (rc < 0)
                return cli_fail(e.class == ERR_RETRY ? CODE_UNREACHABLE : CODE_FAILED, &e);
        if (rc > 0)
                return cli_error(CODE_UNREACHABLE, "Kafka did not acknowledge the tasks within %d s; submitting them again with the same ids does no harm",
                                 FLUSH_TIMEOUT_MS / 1000);
        if (c->undelivered)
                return cli_error(c->undelivered_why.class == ERR_RETRY ? CODE_UNREACHABLE : CODE_FAILED,
                                 "Kafka did not take %zu of the tasks, the first because: %s; submitting them again with the same ids does no harm", c->undelivered,
                                 c->undelivered_why.text);
        return 0;
}

int type_find(struct cli *c, const char *name, const struct task_type **ret)
{
        size_t found = 0;
        int rc = cli_packs(c);
        if (rc)
                return rc;
        *ret = packs_type(c->packs, span_of(name));
        if (*ret)
                return 0;
        for (size_t i = 0; i < c->packs->n; i++)
                for (size_t k = 0; k < c->packs->list[i]->n_types; k++)
                        if (strcmp(c->packs->list[i]->types[k].name, name) == 0) {
                                *ret = &c->packs->list[i]->types[k];
                                found++;
                        }
        if (found == 1)
                return 0;
        if (found > 1)
                return cli_error(CODE_USAGE, "several packs have a task type \"%s\": write PACK.%s", name, name);
        return cli_error(CODE_NOT_FOUND, "no pack has a task type \"%s\"", name);
}

int outcome_code(const char *outcome)
{
        if (strcmp(outcome, "applied") == 0 || strcmp(outcome, "send") == 0)
                return CODE_OK;
        return strcmp(outcome, "skipped") == 0 ? CODE_REFUSED : CODE_FAILED;
}

/* The column's text; NULL when there is none or it is NULL. */
static const char *text_of(const struct db_result *r, const char *column)
{
        int col = db_column(r, column);
        return col < 0 || db_null(r, 0, col) ? NULL : db_str(r, 0, col);
}

void outcome_print(const struct cli *c, const char *label, const struct db_result *r)
{
        const char *outcome = text_of(r, "outcome"), *reason = text_of(r, "reason"), *before = text_of(r, "before"), *after = text_of(r, "after");
        print_clean(stdout, label);
        printf(": %s", paint(c, outcome ? outcome : ""));
        if (reason && *reason) {
                fputs(": ", stdout);
                print_clean(stdout, reason);
        }
        if ((before || after) && outcome && outcome_code(outcome) == CODE_OK) { /* a change is shown when there is one */
                fputs(" (", stdout);
                print_clean(stdout, before ? before : "nothing");
                fputs(" → ", stdout);
                print_clean(stdout, after ? after : "nothing");
                putchar(')');
        }
        putchar('\n');
}

int outcome_wait(struct cli *c, const struct draft *d, int64_t timeout_ms, struct db_result **ret)
{
        int64_t until = monotonic_ms() + timeout_ms;
        char id[UUID_TEXT_LEN + 1];
        const char *param = id;
        uuid_to_text(d->id, id);
        for (unsigned wait = WAIT_MS;;) {
                struct db_result *r CLEANUP(db_result_cleanup) = NULL;
                int rc = cli_query(c,
                                   "select a.task_id, t.name as type, a.subject, a.item, (array['pending', 'applied', 'skipped', 'failed', 'quarantined', "
                                   "'unknown'])[a.outcome + 2] as outcome, a.reason, a.before, a.after, a.at, a.dry_run, a.actor, a.attempt "
                                   "from rollcall.outcome_adhoc a join rollcall.task_type t using (type_no) where a.task_id = $1::uuid and a.outcome >= 0",
                                   &param, 1, &r);
                if (rc)
                        return rc;
                if (db_rows(r)) {
                        *ret = TAKE(r);
                        return 0;
                }
                if (monotonic_ms() >= until)
                        return cli_error(CODE_TIMEOUT, "no outcome of task %s after %lld s; it stays on the lane \"%s\" (is a worker serving it?)", id,
                                         (long long)(timeout_ms / 1000), lane_name(d->type->lane));
                usleep(wait * 1000);
                wait = wait * 2 < WAIT_MAX_MS ? wait * 2 : WAIT_MAX_MS;
        }
}
